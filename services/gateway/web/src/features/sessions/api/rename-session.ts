import { useMutation, useQueryClient } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';

/** Gives a session another title. */
export function useRenameSession(sessionId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (title: string) => sessions.renameSession({ sessionId, title }),
    onSuccess: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: ['sessions'] }),
        client.invalidateQueries({ queryKey: ['session', sessionId] }),
      ]),
  });
}
