import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { sandbox } from '@/lib/transport';

export const TREE = 'tree';

/** The files of a sandbox's workspace; looked up again when `revision` has grown. `path`: a folder that is not entered. */
export function treeQuery(sandboxId: string, revision: number, includeHidden = false, path = '') {
  return queryOptions({
    queryKey: [TREE, sandboxId, path, includeHidden, revision],
    queryFn: () => sandbox.listTree({ sandboxId, path, includeHidden, depth: path === '' ? 0 : 1 }),
    placeholderData: keepPreviousData,
    enabled: sandboxId !== '',
    gcTime: 10_000,
    retry: 1,
  });
}
