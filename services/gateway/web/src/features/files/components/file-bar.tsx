import type { ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { archivePath } from '../api/download';

interface FileBarProps {
  readonly sessionId: string;
  readonly query: string;
  readonly hidden: boolean;
  readonly onQuery: (query: string) => void;
  readonly onHidden: (hidden: boolean) => void;
}

/** Above the files: find one by its name, show hidden ones, take all of them along. */
export function FileBar({ sessionId, query, hidden, onQuery, onHidden }: FileBarProps): ReactNode {
  return (
    <div className="file-bar">
      <input
        className="input input-small"
        type="search"
        placeholder="Find a file"
        aria-label="Find a file by its name"
        value={query}
        maxLength={200}
        onChange={(event) => onQuery(event.target.value)}
      />
      <Button
        look="quiet"
        className="button-icon"
        aria-label="Show hidden files"
        title="Show hidden files"
        aria-pressed={hidden}
        onClick={() => onHidden(!hidden)}
      >
        <Icon name="eye" />
      </Button>
      <a className="button button-quiet button-icon" href={archivePath(sessionId)} download aria-label="Download all files" title="Download all files (.tar, without node_modules and the like)">
        <Icon name="save" />
      </a>
    </div>
  );
}
