import { useMutation, useQueryClient } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';
import type { Policy } from '../components/policy';

/** Changes what the agent asks first, what it may use, and who answers when its model fails. */
export function useConfigureSession(sessionId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (policy: Policy) => sessions.configureSession({ sessionId, ...policy }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['session', sessionId] }),
  });
}
