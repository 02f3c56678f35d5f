import { infiniteQueryOptions, keepPreviousData } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';

/** The caller's sessions, a page at a time; looked up again while the page is in view. */
export function sessionsQuery(query: string) {
  return infiniteQueryOptions({
    queryKey: ['sessions', query],
    queryFn: ({ pageParam }) => sessions.listSessions({ query, pageToken: pageParam }),
    initialPageParam: '',
    getNextPageParam: (page) => (page.nextPageToken === '' ? undefined : page.nextPageToken),
    placeholderData: keepPreviousData,
    refetchInterval: 5_000,
  });
}
