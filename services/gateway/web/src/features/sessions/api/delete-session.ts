import { useMutation, useQueryClient } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';

/** Removes a session with its log and its sandbox. `onDeleted` is called also where nobody waits for the answer any more. */
export function useDeleteSession(sessionId: string, onDeleted: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => sessions.deleteSession({ sessionId }),
    onSuccess: () => {
      onDeleted();
      return client.invalidateQueries({ queryKey: ['sessions'] });
    },
  });
}
