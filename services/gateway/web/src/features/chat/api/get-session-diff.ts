import { infiniteQueryOptions } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';

/** What a session has changed, a page at a time; `tree` tells one state of the files from the next. */
export function sessionDiffQuery(sessionId: string, tree: string) {
  return infiniteQueryOptions({
    queryKey: ['session-diff', sessionId, tree],
    queryFn: ({ pageParam }) => sessions.getSessionDiff({ sessionId, pageToken: pageParam }),
    initialPageParam: '',
    getNextPageParam: (page) => (page.nextPageToken === '' ? undefined : page.nextPageToken),
  });
}
