import { useState } from 'react';
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import type { Session } from '@gen/lucid/sessions/v1/sessions_pb';
import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import { Icon } from '@/components/ui/icon';
import { Notice } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { ago, clock } from '@/lib/format';
import { useNow } from '@/lib/now';
import { useDeleteSession } from '../api/delete-session';
import { useRenameSession } from '../api/rename-session';
import { SessionState } from './session-state';

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
    <li className={current ? 'session-item session-item-current' : 'session-item'} data-testid="session-item">
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
      {open === 'rename' && <RenameDialog sessionId={session.sessionId} title={title} onClose={() => setOpen(undefined)} />}
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

interface DialogProps {
  readonly sessionId: string;
  readonly title: string;
  readonly onClose: () => void;
}

function RenameDialog({ sessionId, title, onClose }: DialogProps): ReactNode {
  const [text, setText] = useState(title);
  const rename = useRenameSession(sessionId);
  return (
    <Dialog title="Rename conversation" label="Rename conversation" onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          rename.mutate(text.trim(), { onSuccess: onClose });
        }}
      >
        <input
          className="input"
          aria-label="Title"
          maxLength={255}
          autoFocus
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <Notice text={rename.isError ? errorText(rename.error) : ''} />
        <div className="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" busy={rename.isPending} disabled={text.trim() === ''}>
            Rename
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function DeleteDialog({ sessionId, title, onDeleted, onClose }: DialogProps & { onDeleted: () => void }): ReactNode {
  const remove = useDeleteSession(sessionId);
  return (
    <Dialog title="Delete conversation?" label="Delete conversation" onClose={onClose}>
      <p>
        <strong>{title}</strong> ends, and its history and workspace are removed. What was pushed stays.
      </p>
      <Notice text={remove.isError ? errorText(remove.error) : ''} />
      <div className="dialog-actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="danger" busy={remove.isPending} onClick={() => remove.mutate(undefined, { onSuccess: onDeleted })}>
          Delete
        </Button>
      </div>
    </Dialog>
  );
}
