import { queryOptions } from '@tanstack/react-query';
import { integrations } from '@/lib/transport';

/** All repositories the caller's tokens can reach, and the local ones. */
export const repositoriesQuery = queryOptions({
  queryKey: ['repositories'],
  queryFn: () => integrations.listRepositories({}),
  staleTime: 60_000,
});
