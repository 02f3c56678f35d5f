import { ApprovalRequested_Kind as Kind } from '@gen/lucid/sessions/v1/event_pb';
import { touch } from './timeline-model';
import type { Timeline } from './timeline-model';

/** A plain message answers a question; an approval needs its own decision. */
export function closeQuestions(timeline: Timeline): void {
  for (const card of timeline.waiting) {
    if (card.request.kind !== Kind.QUESTION && card.request.kind !== Kind.UNSPECIFIED) continue;
    card.closed = 'message';
    timeline.waiting.delete(card);
    timeline.changes.header = true;
    touch(timeline, card);
  }
}

/** The turn is over: what waited for a person waits no more. */
export function closeWaiting(timeline: Timeline): void {
  for (const card of timeline.waiting) {
    card.closed = 'turn';
    touch(timeline, card);
  }
  if (timeline.waiting.size > 0) timeline.changes.header = true;
  timeline.waiting.clear();
}
