import { queryOptions } from '@tanstack/react-query';
import { integrations } from '@/lib/transport';

/** The connected accounts; never a token. */
export const connectionsQuery = queryOptions({
  queryKey: ['connections'],
  queryFn: async () => (await integrations.listConnections({})).connections,
});
