import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { WatchFilesResponse } from '@gen/lucid/sandbox/v1/files_pb';
import type { ListTreeResponse } from '@gen/lucid/sandbox/v1/sandbox_pb';
import { Backoff } from '@/lib/backoff';
import { sandbox } from '@/lib/transport';
import { applyChanges } from '../stores/tree-changes';
import { TREE } from './list-tree';

/** Keeps the listed files as they are in the workspace, while they are shown; false where it cannot, or not yet. */
export function useWatchedFiles(sandboxId: string, shown: boolean): boolean {
  const client = useQueryClient();
  const [live, setLive] = useState(false);
  useEffect(() => {
    if (sandboxId === '' || !shown) return undefined;
    const control = new AbortController();
    const queryKey = [TREE, sandboxId];
    const take = ({ frame }: WatchFilesResponse): void => {
      if (frame.case === 'changes') {
        const { changes } = frame.value;
        client.setQueriesData<ListTreeResponse>({ queryKey }, (tree) => tree && { ...tree, entries: applyChanges(tree.entries, changes) });
        return;
      }
      // What happened before the watch began, or was too much to be told: the list is read anew.
      void client.invalidateQueries({ queryKey });
      setLive(true);
    };
    void follow(sandboxId, control.signal, take, () => setLive(false));
    return () => {
      control.abort();
      setLive(false);
    };
  }, [client, sandboxId, shown]);
  return live;
}

/** Takes what is told until the signal; a stream that breaks, or is refused, is asked for again after a while. */
async function follow(sandboxId: string, signal: AbortSignal, take: (told: WatchFilesResponse) => void, lost: () => void): Promise<void> {
  const wait = new Backoff(1000, 60_000);
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    try {
      for await (const told of sandbox.watchFiles({ sandboxId }, { signal, timeoutMs: 0 })) {
        take(told);
        wait.reset();
      }
    } catch {
      // The list is still read when the log tells of a change.
    }
    if (isOver()) return;
    lost();
    await new Promise((resolve) => setTimeout(resolve, wait.next()));
  }
}
