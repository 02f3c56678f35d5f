import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { useState } from 'react';
import type { ReactNode } from 'react';
import { Code } from '@connectrpc/connect';
import { accountQuery } from '@/features/accounts/api/get-account';
import { isSignedOut, toFailure } from '@/lib/errors';
import { browserStream } from '@/lib/stream';
import { StreamContext } from '@/lib/stream-context';

/** What the whole page shares: the cache of answers and the stream. */
export function Providers({ children }: { children: ReactNode }): ReactNode {
  const [client] = useState(newQueryClient);
  const [stream] = useState(browserStream);
  return (
    <QueryClientProvider client={client}>
      <StreamContext value={stream}>{children}</StreamContext>
    </QueryClientProvider>
  );
}

/** Repeats what may pass, and shows the sign-in page once a call finds that nobody is signed in. */
function newQueryClient(): QueryClient {
  const client = new QueryClient({
    queryCache: new QueryCache({
      onError: (error) => {
        if (isSignedOut(error)) client.setQueryData(accountQuery.queryKey, null);
      },
    }),
    defaultOptions: {
      queries: {
        retry: (count, error) => count < 3 && toFailure(error).code === Code.Unavailable,
      },
    },
  });
  return client;
}
