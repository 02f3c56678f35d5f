import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { sandbox } from '@/lib/transport';

/** The files of a sandbox's workspace; looked up again when `revision` has grown. */
export function treeQuery(sandboxId: string, revision: number) {
  return queryOptions({
    queryKey: ['tree', sandboxId, revision],
    queryFn: () => sandbox.listTree({ sandboxId }),
    placeholderData: keepPreviousData,
    enabled: sandboxId !== '',
    gcTime: 10_000,
    retry: 1,
  });
}
