import type { ReactNode } from 'react';
import { Icon } from '@/components/ui/icon';
import { shownName } from '@/lib/names';
import type { TreeRow } from './tree-rows';

interface TreeListProps {
  readonly rows: readonly TreeRow[];
  readonly onOpen: (row: TreeRow) => void;
}

/** Files and folders, one below the other. */
export function TreeList({ rows, onOpen }: TreeListProps): ReactNode {
  return (
    <ul className="tree" aria-label="Files">
      {rows.map((row) => (
        <li key={row.path}>
          <button
            type="button"
            className="tree-row"
            style={{ paddingLeft: `${10 + row.depth * 14}px` }}
            aria-expanded={row.directory ? row.open : undefined}
            title={shownName(row.path)}
            onClick={() => onOpen(row)}
          >
            {row.directory ? (
              <span className={row.open ? 'fold fold-open' : 'fold'}>
                <Icon name="chevron" size={12} />
              </span>
            ) : (
              <Icon name="file" size={13} />
            )}
            <span className="tree-name">{shownName(row.name)}</span>
            {row.symlink && <span className="muted small">link</span>}
          </button>
        </li>
      ))}
    </ul>
  );
}
