import { useMutation } from '@tanstack/react-query';
import { UserMessage_Delivery as Delivery } from '@gen/lucid/sessions/v1/event_pb';
import { sessions } from '@/lib/transport';

/** What can be done to a message that waits. */
export type QueueAct =
  | { readonly act: 'update'; readonly text?: string; readonly steer?: boolean }
  | { readonly act: 'move'; readonly place: number }
  | { readonly act: 'cancel' };

/** Changes a message that waits: its words, when it is taken, its place; or withdraws it. Safe to repeat. */
export function useQueuedMessage(sessionId: string) {
  return useMutation({
    mutationFn: async ({ queueItemId, change }: { queueItemId: string; change: QueueAct }) => {
      const names = { sessionId, queueItemId };
      if (change.act === 'cancel') await sessions.cancelQueuedMessage(names);
      else if (change.act === 'move') await sessions.moveQueuedMessage({ ...names, place: change.place });
      else await sessions.updateQueuedMessage({ ...names, text: change.text ?? '', delivery: delivery(change.steer) });
    },
  });
}

function delivery(steer: boolean | undefined): Delivery {
  if (steer === undefined) return Delivery.UNSPECIFIED;
  return steer ? Delivery.STEER : Delivery.QUEUED;
}
