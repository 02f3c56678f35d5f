import { QueueChanged_Change as Change, UserMessage_Delivery as Delivery } from '@gen/lucid/sessions/v1/event_pb';
import type { Event, QueueChanged } from '@gen/lucid/sessions/v1/event_pb';
import type { Card } from './cards';
import type { QueueEntry, Timeline } from './timeline-model';

/** Takes a change of the queue: what waits afterwards is what the event's order says. */
export function foldQueue(timeline: Timeline, _event: Event, value: QueueChanged): void {
  timeline.queued.set(value.queueItemId, entryAfter(timeline.queued.get(value.queueItemId), value));
  timeline.queue = value.order.map((id) => timeline.queued.get(id) ?? { id, text: '', steer: false });
  timeline.queueKnown = true;
  timeline.changes.header = true;
  const card = timeline.byId.get(`message:${value.queueItemId}`);
  if (card === undefined) return;
  if (value.change === Change.TAKEN) moveToEnd(timeline, card);
  card.hidden = value.change !== Change.TAKEN;
  timeline.changes.list = true;
}

/** Without a text the event leaves it as it was. */
function entryAfter(before: QueueEntry | undefined, value: QueueChanged): QueueEntry {
  const steer = value.delivery === Delivery.STEER;
  return { id: value.queueItemId, text: value.text || (before?.text ?? ''), steer };
}

/** A queued message stands where the agent took it, not in the midst of the turn during which it was written. */
function moveToEnd(timeline: Timeline, card: Card): void {
  timeline.cards.splice(timeline.cards.indexOf(card), 1);
  timeline.cards.push(card);
}
