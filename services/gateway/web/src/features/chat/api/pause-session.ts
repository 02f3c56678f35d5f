import { useMutation } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';

/** Lets the agent pause; what runs comes to its end. */
export function usePauseSession(sessionId: string) {
  return useMutation({ mutationFn: () => sessions.pauseSession({ sessionId }) });
}
