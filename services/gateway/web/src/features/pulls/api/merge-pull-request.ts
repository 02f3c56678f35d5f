import { useMutation, useQueryClient } from '@tanstack/react-query';
import { integrations } from '@/lib/transport';

/** Merges a pull request of the local provider. */
export function useMergePullRequest(repo: string, number: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => integrations.mergePullRequest({ repo, number }),
    // Also after a refusal: the state may be another than the page shows.
    onSettled: () => client.invalidateQueries({ queryKey: ['pull', repo, number] }),
  });
}
