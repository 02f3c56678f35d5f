import { queryOptions } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';

/** A repository by its provider's name of it. */
export interface NamedRepository {
  readonly provider: string;
  readonly fullName: string;
}

/** What the person has set for their sessions on a repository; the values of variables are empty. */
export function repositoryEnvironmentQuery({ provider, fullName }: NamedRepository) {
  return queryOptions({
    queryKey: ['environment', provider, fullName],
    queryFn: async () => {
      const { environment } = await sessions.getRepositoryEnvironment({ provider, fullName });
      const { image = '', setup = '', setupSeconds = 0, env = {} } = environment ?? {};
      return { image, setup, setupSeconds, env };
    },
  });
}
