import { StatusChanged_Phase as Phase } from '@gen/lucid/sessions/v1/event_pb';
import type { Event } from '@gen/lucid/sessions/v1/event_pb';
import { fold } from './fold';
import { firstSeq, newTimeline } from './timeline-model';
import type { Timeline } from './timeline-model';

/**
 * Adds older events, which must end right before the loaded part; false if they do not. The timeline is folded anew, so
 * that it is the same as if these events had been there from the beginning; what is in progress keeps its bytes.
 */
export function prepend(timeline: Timeline, older: readonly Event[]): boolean {
  const first = firstSeq(timeline);
  const fitting = older.filter((event) => event.seq < first && event.epoch === timeline.epoch);
  const oldest = fitting[0];
  if (oldest === undefined || fitting.length !== first - oldest.seq || fitting.at(-1)?.seq !== first - 1) return false;
  const strays = timeline.strays.filter((event) => event.seq < oldest.seq);
  const events = [...fitting, ...timeline.events];
  const fresh = newTimeline(timeline.windowed);
  for (const event of [...strays, ...events]) fold(fresh, event);
  keepOpenItems(timeline, fresh);
  keepVersions(timeline, fresh);
  const { epoch, lastSeq, caughtUp, opening } = timeline;
  Object.assign(timeline, fresh, { epoch, lastSeq, caughtUp, opening, events, strays });
  timeline.changes.list = timeline.changes.header = timeline.changes.files = true;
  return true;
}

/** Must older events be loaded to know what a person has to see now: the phase, the queue, the question, the plan? */
export function needsOlder(timeline: Timeline): boolean {
  if (!timeline.caughtUp || firstSeq(timeline) <= 1) return false;
  const { phase } = timeline.header;
  if (phase === Phase.COMPLETED) return false;
  const asked = phase === Phase.WAITING_APPROVAL || phase === Phase.WAITING_USER;
  if (phase === Phase.UNSPECIFIED || (asked && timeline.waiting.size === 0)) return true;
  return !timeline.queueKnown || !timeline.turnKnown || timeline.queue.some((entry) => entry.text === '');
}

function keepOpenItems(before: Timeline, fresh: Timeline): void {
  for (const [id, { card: old, channels }] of before.open) {
    const item = fresh.open.get(id);
    if (item === undefined) continue;
    for (const [channel, progress] of channels) item.channels.set(channel, progress);
    if (item.card.kind === 'text' && old.kind === 'text') item.card.text = old.text;
    else if (item.card.kind === 'command' && old.kind === 'command') item.card.live = old.live;
  }
}

/** Views compare versions: a card that was made anew must not look like the one before it. */
function keepVersions(before: Timeline, fresh: Timeline): void {
  for (const card of fresh.cards) {
    card.version = (before.byId.get(card.id)?.version ?? 0) + 1;
    fresh.changes.cards.add(card);
  }
}
