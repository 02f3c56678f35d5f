import { useState } from 'react';
import type { ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import { Icon } from '@/components/ui/icon';
import { Notice } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { newId } from '@/lib/id';
import { useRewindSession } from '../api/rewind-session';
import type { TimelineStore } from '../stores/timeline-store';
import { useTopic } from '../stores/use-timeline';
import { phaseLook } from './phase';

/** Paths that are named before the rest is counted. */
const NAMED = 6;

/** Puts the files back to how they were after a step; not there while the agent works. */
export function RewindButton({ store, seq }: { store: TimelineStore; seq: number }): ReactNode {
  useTopic(store, 'header');
  const [asking, setAsking] = useState(false);
  if (phaseLook(store.timeline.header.phase).busy) return null;
  return (
    <>
      <Button
        look="quiet"
        className="button-icon rewind-button"
        aria-label="Rewind files to here"
        title="Rewind files to here"
        data-testid="rewind"
        onClick={() => setAsking(true)}
      >
        <Icon name="undo" size={14} />
      </Button>
      {asking && <RewindDialog store={store} seq={seq} onClose={() => setAsking(false)} />}
    </>
  );
}

function RewindDialog({ store, seq, onClose }: { store: TimelineStore; seq: number; onClose: () => void }): ReactNode {
  const [key] = useState(newId);
  const rewind = useRewindSession(store.sessionId, key);
  const paths = changedLater(store, seq);
  return (
    <Dialog title="Rewind files to here?" label="Rewind files" onClose={onClose}>
      <p>The files of the workspace become what they were after this step. Commits, branches and ignored files stay as they are.</p>
      {paths.length > 0 && (
        <div className="rewind-later">
          <p className="muted small">Changed since then, and taken back:</p>
          <ul>
            {paths.slice(0, NAMED).map((path) => (
              <li key={path}>
                <code>{path}</code>
              </li>
            ))}
          </ul>
          {paths.length > NAMED && <p className="muted small">and {paths.length - NAMED} more</p>}
        </div>
      )}
      <p className="muted small">The agent is told of it before it goes on, and you can undo it.</p>
      <Notice text={rewind.isError ? errorText(rewind.error) : ''} />
      <div className="dialog-actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="primary" busy={rewind.isPending} data-testid="confirm-rewind" onClick={() => rewind.mutate({ case: 'seq', value: seq }, { onSuccess: onClose })}>
          Rewind files
        </Button>
      </div>
    </Dialog>
  );
}

/** Paths of later steps, once each. Files of the same step have the same tree and are not later. */
function changedLater(store: TimelineStore, seq: number): string[] {
  const here = store.timeline.cards.find((card) => card.kind === 'diff' && card.seq === seq);
  const tree = here?.kind === 'diff' ? here.edit.treeAfter : '';
  const paths = new Set<string>();
  for (const card of store.timeline.cards) {
    if (card.kind === 'diff' && card.seq > seq && card.edit.treeAfter !== tree) paths.add(card.edit.path);
  }
  return [...paths];
}
