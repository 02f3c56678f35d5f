import { useMutation, useQueryClient } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';

/** Removes a session with its log and its sandbox. */
export function useDeleteSession(sessionId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => sessions.deleteSession({ sessionId }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['sessions'] }),
  });
}
