import { useState } from 'react';
import type { ReactNode } from 'react';
import { Icon } from '@/components/ui/icon';
import type { IconName } from '@/components/ui/icon';
import { Popover } from '@/components/ui/popover';
import { DeleteDialog } from './delete-dialog';
import type { StoredPolicy } from './policy';
import { SettingsDialog } from './settings-dialog';

interface SessionMenuProps {
  readonly sessionId: string;
  readonly title: string;
  readonly policy: StoredPolicy;
  readonly onRename: () => void;
  readonly onDeleted: () => void;
}

/** What can be done with a session as a whole. */
export function SessionMenu({ sessionId, title, policy, onRename, onDeleted }: SessionMenuProps): ReactNode {
  const [open, setOpen] = useState<'settings' | 'delete' | undefined>();
  return (
    <>
      <Popover label="Session menu" className="button-icon" testId="session-menu" role="menu" face={<Icon name="more" />}>
        {(close) => {
          const then = (act: () => void) => () => {
            close();
            act();
          };
          return (
            <div className="menu">
              <Item icon="edit" word="Rename" onPick={then(onRename)} />
              <Item icon="settings" word="Settings" onPick={then(() => setOpen('settings'))} />
              <a className="menu-item" role="menuitem" href={exportPath(sessionId)} download data-testid="menu-export" onClick={close}>
                <Icon name="save" size={14} /> Export
              </a>
              <Item icon="trash" word="Delete" bad onPick={then(() => setOpen('delete'))} />
            </div>
          );
        }}
      </Popover>
      {open === 'settings' && <SettingsDialog sessionId={sessionId} policy={policy} onClose={() => setOpen(undefined)} />}
      {open === 'delete' && <DeleteDialog sessionId={sessionId} title={title} onDeleted={onDeleted} onClose={() => setOpen(undefined)} />}
    </>
  );
}

interface ItemProps {
  readonly icon: IconName;
  readonly word: string;
  readonly bad?: boolean;
  readonly onPick: () => void;
}

function Item({ icon, word, bad = false, onPick }: ItemProps): ReactNode {
  return (
    <button type="button" role="menuitem" className={bad ? 'menu-item menu-item-bad' : 'menu-item'} data-testid={`menu-${word.toLowerCase()}`} onClick={onPick}>
      <Icon name={icon} size={14} /> {word}
    </button>
  );
}

/** The whole log as JSON lines, as a file. */
function exportPath(sessionId: string): string {
  return `/api/v1/sessions/${encodeURIComponent(sessionId)}/export`;
}
