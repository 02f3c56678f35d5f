import { useMutation } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';

/** Answers a question or an approval; the first decision stands. */
export function useResolveApproval(sessionId: string, requestId: string) {
  return useMutation({
    mutationFn: (answer: { optionId: string; text: string }) => sessions.resolveApproval({ sessionId, requestId, ...answer }),
  });
}
