import { useQueries, useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { Notice, Spinner } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { treeQuery } from '../api/list-tree';
import { useWatchedFiles } from '../api/watch-files';
import { FileBar } from './file-bar';
import { FileViewer } from './file-viewer';
import { FoundFiles } from './found-files';
import { TreeList } from './tree-list';
import { visibleRows } from './tree-rows';
import type { TreeRow } from './tree-rows';
import { useShown } from './use-shown';

interface ExplorerProps {
  readonly sessionId: string;
  readonly sandboxId: string;
  /** Grows when the files have changed. */
  readonly revision: number;
}

/** Rows that are drawn at most; more than a person scrolls through. */
const SHOWN = 2000;
/** In a revision's place while the list is kept up to date by itself. */
const LIVE = -1;

/** The workspace's files, read-only, as they are while one looks; a file opens over the page. */
export function Explorer({ sessionId, sandboxId, revision }: ExplorerProps): ReactNode {
  const root = useRef<HTMLDivElement>(null);
  const live = useWatchedFiles(sandboxId, useShown(root));
  const [hidden, setHidden] = useState(false);
  const [query, setQuery] = useState('');
  const [file, setFile] = useState('');
  const sought = useSettled(query.trim(), 250);
  return (
    <div ref={root} className="explorer">
      {sandboxId === '' ? (
        <p className="pane-note muted">The files appear when the sandbox is ready.</p>
      ) : (
        <>
          <FileBar sessionId={sessionId} query={query} hidden={hidden} onQuery={setQuery} onHidden={setHidden} />
          {sought === '' || query.trim() === '' ? (
            <Tree sandboxId={sandboxId} revision={live ? LIVE : revision} hidden={hidden} onOpen={setFile} />
          ) : (
            <FoundFiles sandboxId={sandboxId} query={sought} hidden={hidden} onOpen={setFile} />
          )}
        </>
      )}
      {file !== '' && <FileViewer sessionId={sessionId} sandboxId={sandboxId} path={file} onClose={() => setFile('')} />}
    </div>
  );
}

interface TreeProps {
  readonly sandboxId: string;
  readonly revision: number;
  readonly hidden: boolean;
  readonly onOpen: (path: string) => void;
}

function Tree({ sandboxId, revision, hidden, onOpen }: TreeProps): ReactNode {
  const settled = useSettled(revision, 400);
  const tree = useQuery(treeQuery(sandboxId, settled, hidden));
  const [toggled, setToggled] = useState<ReadonlyMap<string, boolean>>(new Map());
  // Folders like node_modules are listed when they are opened.
  const [asked, setAsked] = useState<readonly string[]>([]);
  const inner = useQueries({ queries: asked.map((path) => treeQuery(sandboxId, settled, hidden, path)) });
  const entries = [...(tree.data?.entries ?? []), ...(hidden ? inner.flatMap((found) => found.data?.entries ?? []) : [])];
  const rows = visibleRows(entries, (path, depth) => toggled.get(path) ?? depth < 1);
  const open = (row: TreeRow): void => {
    if (!row.directory) {
      onOpen(row.path);
      return;
    }
    setToggled(new Map(toggled).set(row.path, !row.open));
    if (row.notEntered && !asked.includes(row.path)) setAsked([...asked, row.path]);
  };
  return (
    <>
      {tree.isPending && <Spinner label="Loading files" />}
      <Notice text={tree.isError ? errorText(tree.error) : ''} />
      {tree.isSuccess && rows.length === 0 && <p className="pane-note muted">No files yet.</p>}
      <TreeList rows={rows.slice(0, SHOWN)} onOpen={open} />
      {(tree.data?.truncated === true || rows.length > SHOWN) && <p className="pane-note muted">More files than are listed here.</p>}
    </>
  );
}

/** The value once it has rested for a while: a run of changes asks once, not often. */
function useSettled<Value>(value: Value, ms: number): Value {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
