import { useMutation } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';

/** Lets a paused session go on where it was. */
export function useResumeSession(sessionId: string) {
  return useMutation({ mutationFn: () => sessions.resumeSession({ sessionId }) });
}
