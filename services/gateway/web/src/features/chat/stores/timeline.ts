import { create } from '@bufbuild/protobuf';
import { ItemCursorSchema } from '@gen/lucid/sessions/v1/event_pb';
import type { CaughtUp, Channel, Delta, Event, Frame, Heartbeat, ItemCursor, Reset } from '@gen/lucid/sessions/v1/event_pb';
import type { CommandCard, TextCard } from './cards';
import { fold } from './fold';
import { appendOutput } from './output';
import { newTimeline, touch } from './timeline-model';
import type { OpenChannel, OpenItem, Timeline } from './timeline-model';

/** What came of a frame. `dropped`: known or of no use. `watch-again`: something is missing, resume from the cursor. */
export type Outcome = 'applied' | 'dropped' | 'watch-again';

/** Applies one frame by the rules of the log: nothing twice, nothing missing, the completed event stands. */
export function apply(timeline: Timeline, frame: Frame): Outcome {
  switch (frame.frame.case) {
    case 'event':
      return applyEvent(timeline, frame.frame.value);
    case 'delta':
      return applyDelta(timeline, frame.frame.value);
    case 'caughtUp':
      return applyCaughtUp(timeline, frame.frame.value);
    case 'heartbeat':
      return applyHeartbeat(timeline, frame.frame.value);
    case 'reset':
      return applyReset(timeline, frame.frame.value);
    case undefined:
      return 'dropped';
  }
}

/** What the timeline has of open items, for the cursor of a watch. */
export function openCursors(timeline: Timeline): ItemCursor[] {
  const cursors: ItemCursor[] = [];
  for (const [itemId, item] of timeline.open) {
    for (const [channel, { have }] of item.channels) cursors.push(create(ItemCursorSchema, { itemId, channel, have }));
  }
  return cursors;
}

function applyEvent(timeline: Timeline, event: Event): Outcome {
  if (timeline.epoch !== 0 && event.epoch !== 0 && event.epoch !== timeline.epoch) {
    clear(timeline, event.epoch);
    return 'watch-again';
  }
  if (event.seq <= timeline.lastSeq) return 'dropped';
  if (event.seq > timeline.lastSeq + 1 && !beginsWindow(timeline)) return 'watch-again';
  timeline.epoch = event.epoch;
  timeline.lastSeq = event.seq;
  timeline.events.push(event);
  fold(timeline, event);
  return 'applied';
}

/** A window begins after the beginnings of open items that are older than it. */
function beginsWindow(timeline: Timeline): boolean {
  if (!timeline.opening) return false;
  timeline.strays.push(...timeline.events);
  timeline.events = [];
  return true;
}

function applyDelta(timeline: Timeline, delta: Delta): Outcome {
  if (delta.afterSeq > timeline.lastSeq) return 'watch-again';
  const item = timeline.open.get(delta.itemId);
  if (item === undefined) return 'dropped';
  const channel = openChannel(item, delta.channel);
  if (delta.offset > channel.have) return 'watch-again';
  const fresh = delta.data.subarray(channel.have - delta.offset);
  if (fresh.length === 0) return 'dropped';
  const offset = channel.have;
  channel.have += fresh.length;
  append(item.card, channel.decoder.decode(fresh, { stream: true }), offset, fresh);
  touch(timeline, item.card);
  return 'applied';
}

function openChannel(item: OpenItem, channel: Channel): OpenChannel {
  let found = item.channels.get(channel);
  if (found === undefined) {
    found = { have: 0, decoder: new TextDecoder() };
    item.channels.set(channel, found);
  }
  return found;
}

function append(card: TextCard | CommandCard, text: string, offset: number, bytes: Uint8Array): void {
  if (card.kind === 'text') card.text += text;
  else appendOutput(card.live, text, offset, bytes);
}

function applyCaughtUp(timeline: Timeline, caughtUp: CaughtUp): Outcome {
  if (caughtUp.seq > timeline.lastSeq) return 'watch-again';
  timeline.caughtUp = true;
  timeline.opening = false;
  timeline.changes.header = true;
  return 'applied';
}

function applyHeartbeat(timeline: Timeline, heartbeat: Heartbeat): Outcome {
  if (heartbeat.lastSeq > timeline.lastSeq) return 'watch-again';
  for (const progress of heartbeat.open) {
    const item = timeline.open.get(progress.itemId);
    const have = item?.channels.get(progress.channel)?.have ?? 0;
    if (item !== undefined && progress.length > have) return 'watch-again';
  }
  return 'applied';
}

function applyReset(timeline: Timeline, reset: Reset): Outcome {
  clear(timeline, reset.epoch);
  return 'watch-again';
}

function clear(timeline: Timeline, epoch: number): void {
  Object.assign(timeline, newTimeline(timeline.windowed), { epoch });
  timeline.changes.list = true;
  timeline.changes.header = true;
  timeline.changes.files = true;
}
