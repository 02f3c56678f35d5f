import { queryOptions } from '@tanstack/react-query';
import { sandbox } from '@/lib/transport';

/** A file of the workspace, at most its first MiB, as it is now. */
export function fileQuery(sandboxId: string, path: string) {
  return queryOptions({
    queryKey: ['file', sandboxId, path],
    queryFn: () => sandbox.readFile({ sandboxId, path }),
    gcTime: 0,
    retry: 1,
  });
}
