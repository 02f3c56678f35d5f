import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { SearchFilesRequest_Target as Target, SearchFilesResponse_Done_Reason as Reason } from '@gen/lucid/sandbox/v1/files_pb';
import { sandbox } from '@/lib/transport';

/** Paths that hold a text, capital or not; at most 200. */
export function namesQuery(sandboxId: string, query: string, includeHidden: boolean) {
  return queryOptions({
    queryKey: ['names', sandboxId, query, includeHidden],
    queryFn: async ({ signal }) => {
      const paths: string[] = [];
      let whole = false;
      for await (const { frame } of sandbox.searchFiles({ sandboxId, query, includeHidden, target: Target.NAMES, ignoreCase: true }, { signal })) {
        if (frame.case === 'matches') paths.push(...frame.value.matches.map((match) => match.path));
        if (frame.case === 'done') whole = frame.value.reason === Reason.COMPLETE;
      }
      return { paths, whole };
    },
    placeholderData: keepPreviousData,
    enabled: query !== '',
    gcTime: 0,
    retry: false,
  });
}
