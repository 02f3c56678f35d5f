import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import type { ReactNode } from 'react';
import { Icon } from '@/components/ui/icon';
import { Notice, Spinner } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { treeQuery } from '../api/list-tree';
import { FileViewer } from './file-viewer';
import { visibleRows } from './tree-rows';

interface ExplorerProps {
  readonly sandboxId: string;
  /** Grows when the files have changed. */
  readonly revision: number;
}

/** Rows that are drawn at most; more than a person scrolls through. */
const SHOWN = 2000;

/** The workspace's files, read-only; a file opens over the page. */
export function Explorer({ sandboxId, revision }: ExplorerProps): ReactNode {
  const settled = useSettled(revision, 400);
  const tree = useQuery(treeQuery(sandboxId, settled));
  const [toggled, setToggled] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [file, setFile] = useState('');
  const rows = useMemo(
    () => visibleRows(tree.data?.entries ?? [], (path, depth) => toggled.get(path) ?? depth < 1),
    [tree.data, toggled],
  );
  if (sandboxId === '') return <p className="pane-note muted">The files appear when the sandbox is ready.</p>;
  return (
    <>
      {tree.isPending && <Spinner label="Loading files" />}
      <Notice text={tree.isError ? errorText(tree.error) : ''} />
      {tree.isSuccess && rows.length === 0 && <p className="pane-note muted">No files yet.</p>}
      <ul className="tree" aria-label="Files">
        {rows.slice(0, SHOWN).map((row) => (
          <li key={row.path}>
            <button
              type="button"
              className="tree-row"
              style={{ paddingLeft: `${10 + row.depth * 14}px` }}
              aria-expanded={row.directory ? row.open : undefined}
              title={row.path}
              onClick={() => {
                if (row.directory) setToggled(new Map(toggled).set(row.path, !row.open));
                else setFile(row.path);
              }}
            >
              {row.directory ? (
                <span className={row.open ? 'fold fold-open' : 'fold'}>
                  <Icon name="chevron" size={12} />
                </span>
              ) : (
                <Icon name="file" size={13} />
              )}
              <span className="tree-name">{row.name}</span>
              {row.symlink && <span className="muted small">link</span>}
            </button>
          </li>
        ))}
      </ul>
      {(tree.data?.truncated === true || rows.length > SHOWN) && <p className="pane-note muted">More files than are listed here.</p>}
      {file !== '' && <FileViewer sandboxId={sandboxId} path={file} onClose={() => setFile('')} />}
    </>
  );
}

/** The value once it has rested for a while: a run of edits asks for one listing, not for many. */
function useSettled(value: number, ms: number): number {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
