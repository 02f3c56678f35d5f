import { useMutation, useQueryClient } from '@tanstack/react-query';
import { integrations } from '@/lib/transport';

/** Validates a token with its provider and keeps it. */
export function useSaveConnection(provider: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (token: string) => integrations.saveConnection({ provider, token }),
    onSuccess: () => Promise.all(['connections', 'repositories'].map((key) => client.invalidateQueries({ queryKey: [key] }))),
    // The token shall not stay in the page's memory once it is sent.
    gcTime: 0,
  });
}
