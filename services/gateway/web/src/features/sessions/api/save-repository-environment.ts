import { useMutation, useQueryClient } from '@tanstack/react-query';
import { sessions } from '@/lib/transport';
import type { WantedEnvironment } from '../components/environment';
import { repositoryEnvironmentQuery } from './get-repository-environment';
import type { NamedRepository } from './get-repository-environment';

/** Sets what sessions on a repository begin with from now on. */
export function useSaveRepositoryEnvironment({ provider, fullName }: NamedRepository) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ environment, keptVariables }: WantedEnvironment) =>
      sessions.saveRepositoryEnvironment({ repository: { provider, fullName }, environment, keptVariables: [...keptVariables] }),
    onSuccess: () => client.invalidateQueries(repositoryEnvironmentQuery({ provider, fullName })),
  });
}
