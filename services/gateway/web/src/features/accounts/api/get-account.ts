import { queryOptions } from '@tanstack/react-query';
import type { User } from '@gen/lucid/gateway/v1/accounts_pb';
import { isSignedOut } from '@/lib/errors';
import { accounts } from '@/lib/transport';

/** Who is signed in; null for nobody. */
export const accountQuery = queryOptions({
  queryKey: ['account'],
  queryFn: async (): Promise<User | null> => {
    try {
      return (await accounts.getAccount({})).user ?? null;
    } catch (error) {
      if (isSignedOut(error)) return null;
      throw error;
    }
  },
  staleTime: Infinity,
});
