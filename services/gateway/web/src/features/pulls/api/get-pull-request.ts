import { queryOptions } from '@tanstack/react-query';
import { integrations } from '@/lib/transport';

/** A pull request of the local provider, with its diff and commits. */
export function pullRequestQuery(repo: string, number: number) {
  return queryOptions({
    queryKey: ['pull', repo, number],
    queryFn: () => integrations.getPullRequest({ repo, number }),
    retry: 1,
  });
}
