import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Icon } from '@/components/ui/icon';
import { Notice, Spinner } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { shownName } from '@/lib/names';
import { namesQuery } from '../api/search-files';

interface FoundFilesProps {
  readonly sandboxId: string;
  readonly query: string;
  readonly hidden: boolean;
  readonly onOpen: (path: string) => void;
}

/** Files whose path holds a text. */
export function FoundFiles({ sandboxId, query, hidden, onOpen }: FoundFilesProps): ReactNode {
  const found = useQuery(namesQuery(sandboxId, query, hidden));
  return (
    <>
      {found.isPending && <Spinner label="Searching" />}
      <Notice text={found.isError ? errorText(found.error) : ''} />
      {found.isSuccess && found.data.paths.length === 0 && <p className="pane-note muted">No file has such a name.</p>}
      <ul className="tree" aria-label="Found files">
        {found.data?.paths.map((path) => (
          <li key={path}>
            <button type="button" className="tree-row" title={shownName(path)} onClick={() => onOpen(path)}>
              <Icon name="file" size={13} />
              <span className="tree-name">{shownName(path)}</span>
            </button>
          </li>
        ))}
      </ul>
      {found.data?.whole === false && <p className="pane-note muted">More files than are listed here.</p>}
    </>
  );
}
