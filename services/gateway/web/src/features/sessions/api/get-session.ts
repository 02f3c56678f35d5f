import { queryOptions } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';

/** One session, for what its log does not say: repository, owner, times. */
export function sessionQuery(sessionId: string) {
  return queryOptions({
    queryKey: ['session', sessionId],
    queryFn: async () => (await sessions.getSession({ sessionId })).session,
  });
}
