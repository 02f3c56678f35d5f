import { useMutation } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';

/** An event of the log, or a checkpoint by its id. */
export type RewindTo = { readonly case: 'seq'; readonly value: number } | { readonly case: 'checkpointId'; readonly value: string };

/** Puts the files of a session back; the same `requestId` again does nothing twice. */
export function useRewindSession(sessionId: string, requestId: string) {
  return useMutation({ mutationFn: (to: RewindTo) => sessions.rewindSession({ sessionId, requestId, to }) });
}
