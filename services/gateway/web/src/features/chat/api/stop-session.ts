import { useMutation } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';

/** Stops the agent; the session stays. */
export function useStopSession(sessionId: string) {
  return useMutation({ mutationFn: () => sessions.stopSession({ sessionId }) });
}
