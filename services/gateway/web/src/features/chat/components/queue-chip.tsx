import type { CSSProperties, KeyboardEvent, PointerEvent, ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import type { QueueAct } from '../api/queued-messages';
import type { QueueEntry } from '../stores/timeline-model';

interface QueueChipProps {
  readonly entry: QueueEntry;
  readonly place: number;
  readonly count: number;
  readonly busy: boolean;
  readonly dragged: boolean;
  readonly style: CSSProperties | undefined;
  /** The words while they are being changed. */
  readonly draft: string | undefined;
  readonly onDraft: (text: string | undefined) => void;
  readonly onAct: (change: QueueAct) => void;
  readonly onMove: (place: number) => void;
  readonly onGrip: (event: PointerEvent) => void;
}

/** A message that waits: its words, when it is taken, its place, the way out. */
export function QueueChip(props: QueueChipProps): ReactNode {
  const { entry, dragged, style, draft, busy } = props;
  const words = entry.text === '' ? '…' : entry.text;
  return (
    <li className={dragged ? 'queue-chip queue-chip-dragged' : 'queue-chip'} style={style} data-testid="queue-chip" aria-busy={busy}>
      {draft === undefined ? <Face {...props} words={words} /> : <Edit {...props} draft={draft} />}
    </li>
  );
}

function Face({ entry, words, place, count, busy, onDraft, onAct, onMove, onGrip }: QueueChipProps & { words: string }): ReactNode {
  return (
    <>
      {count > 1 && (
        <span className="queue-grip" aria-hidden="true" title="Drag to another place" onPointerDown={onGrip} data-testid="queue-grip">
          <Icon name="grip" size={14} />
        </span>
      )}
      <button type="button" className="queue-text" title={words} data-testid="queue-text" onClick={() => onDraft(entry.text)}>
        {words}
      </button>
      <span className="queue-acts">
        <button
          type="button"
          className={entry.steer ? 'queue-when queue-when-now' : 'queue-when'}
          aria-pressed={entry.steer}
          title={entry.steer ? 'Taken before the next step. Press to let it wait for the end of this turn' : 'Taken after this turn. Press to let the agent have it now'}
          disabled={busy}
          data-testid="queue-when"
          onClick={() => onAct({ act: 'update', steer: !entry.steer })}
        >
          {entry.steer ? 'Now' : 'After this turn'}
        </button>
        {count > 1 && (
          <>
            <Button look="quiet" className="button-icon" aria-label="Move up" disabled={place === 0} onClick={() => onMove(place - 1)}>
              <Icon name="up" size={13} />
            </Button>
            <Button look="quiet" className="button-icon" aria-label="Move down" disabled={place === count - 1} onClick={() => onMove(place + 1)}>
              <Icon name="down" size={13} />
            </Button>
          </>
        )}
        <Button look="quiet" className="button-icon" aria-label="Edit" onClick={() => onDraft(entry.text)}>
          <Icon name="edit" size={13} />
        </Button>
        <Button look="quiet" className="button-icon" aria-label="Withdraw" disabled={busy} onClick={() => onAct({ act: 'cancel' })}>
          <Icon name="close" size={13} />
        </Button>
      </span>
    </>
  );
}

function Edit({ entry, draft, busy, onDraft, onAct }: QueueChipProps & { draft: string }): ReactNode {
  function save(): void {
    if (draft.trim() === '' || busy) return;
    if (draft === entry.text) onDraft(undefined);
    else onAct({ act: 'update', text: draft });
  }
  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === 'Escape') onDraft(undefined);
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    save();
  }
  return (
    <div className="queue-edit">
      <textarea
        className="input"
        aria-label="Waiting message"
        rows={1}
        autoFocus
        value={draft}
        data-testid="queue-edit"
        onKeyDown={onKeyDown}
        onChange={(event) => onDraft(event.target.value)}
      />
      <Button look="primary" busy={busy} disabled={draft.trim() === ''} onClick={save}>
        Save
      </Button>
      <Button look="quiet" onClick={() => onDraft(undefined)}>
        Cancel
      </Button>
    </div>
  );
}
