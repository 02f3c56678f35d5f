import { useEffect, useState } from 'react';
import { errorText, toFailure } from '@/lib/errors';
import { useQueuedMessage } from '../api/queued-messages';
import type { QueueAct } from '../api/queued-messages';
import type { QueueEntry } from './timeline-model';
import type { TimelineStore } from './timeline-store';
import { useTopic } from './use-timeline';
import { moved } from './reorder';

/** The waiting messages and what can be done to them. */
export interface Queue {
  /** As the log has it; while a move is under way, as it will be. */
  readonly entries: readonly QueueEntry[];
  /** The entry whose change is under way. */
  readonly busy: string;
  /** Why the last change did not come about. */
  readonly note: string;
  readonly act: (id: string, change: QueueAct, done?: () => void) => void;
  readonly say: (note: string) => void;
}

/** Follows the queue of a session. Nothing changes before the log says so, but a move is shown where it was let go. */
export function useQueue(store: TimelineStore): Queue {
  useTopic(store, 'header');
  const { queue } = store.timeline;
  const call = useQueuedMessage(store.sessionId);
  const [note, say] = useState('');
  const [move, setMove] = useState<{ before: readonly QueueEntry[]; id: string; place: number } | undefined>();
  const waits = queue.length > 0;
  useEffect(() => {
    if (note === '') return undefined;
    const timer = setTimeout(() => say(''), NOTE_MS);
    return () => clearTimeout(timer);
  }, [note, waits]);

  function act(id: string, change: QueueAct, done?: () => void): void {
    say('');
    if (change.act === 'move') setMove({ before: queue, id, place: change.place });
    call.mutate(
      { queueItemId: id, change },
      {
        onSuccess: () => done?.(),
        onError: (error) => {
          setMove(undefined);
          // One that has been withdrawn elsewhere is as it was wanted to be.
          if (change.act !== 'cancel' || toFailure(error).reason !== 'QUEUE_ITEM_NOT_FOUND') say(errorText(error));
        },
      },
    );
  }

  const busy = call.isPending ? call.variables.queueItemId : '';
  return { entries: shown(queue, move), busy, note, act, say };
}

/** So long a note about a refused change is to be read, milliseconds. */
const NOTE_MS = 8_000;

/** Until the log has another queue, the moved entry stands where it was let go. */
function shown(queue: readonly QueueEntry[], move: { before: readonly QueueEntry[]; id: string; place: number } | undefined) {
  if (move === undefined || move.before !== queue) return queue;
  const from = queue.findIndex((entry) => entry.id === move.id);
  return from === -1 ? queue : moved(queue, from, move.place);
}
