import { queryOptions } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';

/** The models that can be chosen here, the default first. */
export const modelsQuery = queryOptions({
  queryKey: ['models'],
  queryFn: async () => (await sessions.listModels({})).models,
  staleTime: 60_000,
});
