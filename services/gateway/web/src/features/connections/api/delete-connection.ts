import { useMutation, useQueryClient } from '@tanstack/react-query';
import { integrations } from '@/lib/transport';

/** Forgets a token. */
export function useDeleteConnection(provider: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => integrations.deleteConnection({ provider }),
    onSuccess: () => Promise.all(['connections', 'repositories'].map((key) => client.invalidateQueries({ queryKey: [key] }))),
  });
}
