import { queryOptions } from '@tanstack/react-query';
import { accounts } from '@/lib/transport';

/** What this installation can do, and how people sign in. */
export const installationQuery = queryOptions({
  queryKey: ['installation'],
  queryFn: () => accounts.getInstallation({}),
  staleTime: Infinity,
});

/** What confines new sessions now; told to those who have signed in. */
export const confinementQuery = queryOptions({
  queryKey: ['installation', 'confinement'],
  queryFn: () => accounts.getInstallation({}),
});
