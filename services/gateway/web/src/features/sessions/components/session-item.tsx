import { useState } from 'react';
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import type { Session } from '@gen/lucid/sessions/v1/sessions_pb';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { ago, clock } from '@/lib/format';
import { useNow } from '@/lib/now';
import { DeleteDialog } from './delete-dialog';
import { SessionState } from './session-state';
import { TitleField } from './title-field';

interface SessionItemProps {
  readonly session: Session;
  readonly current: boolean;
  readonly onDeleted: () => void;
}

/** One row of the list: state, title, repository, time; rename and delete. */
export function SessionItem({ session, current, onDeleted }: SessionItemProps): ReactNode {
  const [open, setOpen] = useState<'rename' | 'delete' | undefined>();
  const now = useNow();
  const title = session.title || session.task.split('\n')[0] || 'Untitled';
  return (
    <li className={`session-item ${current ? 'session-item-current' : ''} ${open === 'rename' ? 'session-item-renamed' : ''}`} data-testid="session-item">
      {open === 'rename' && <TitleField sessionId={session.sessionId} title={title} onDone={() => setOpen(undefined)} />}
      <Link href={`/sessions/${session.sessionId}`} className="session-link" aria-current={current ? 'page' : undefined}>
        <SessionState state={session.state} />
        <span className="session-title">{title}</span>
        <span className="session-meta muted">
          <span className="session-repo">{repository(session)}</span>
          <time title={clock(session.updateTime)}>{ago(session.updateTime, now)}</time>
        </span>
      </Link>
      <span className="session-actions">
        <Button look="quiet" className="button-icon" aria-label={`Rename ${title}`} onClick={() => setOpen('rename')}>
          <Icon name="edit" size={14} />
        </Button>
        <Button look="quiet" className="button-icon" aria-label={`Delete ${title}`} onClick={() => setOpen('delete')}>
          <Icon name="trash" size={14} />
        </Button>
      </span>
      {open === 'delete' && (
        <DeleteDialog
          sessionId={session.sessionId}
          title={title}
          onDeleted={onDeleted}
          onClose={() => setOpen(undefined)}
        />
      )}
    </li>
  );
}

function repository(session: Session): string {
  return session.repository === undefined ? 'scratch' : session.repository.fullName || session.repository.url;
}
