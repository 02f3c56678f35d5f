import { useEffect, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { useReorder } from '../stores/reorder';
import type { TimelineStore } from '../stores/timeline-store';
import { useQueue } from '../stores/use-queue';
import { QueueChip } from './queue-chip';

interface QueueChipsProps {
  readonly store: TimelineStore;
  /** Takes back words that could not be saved any more. */
  readonly onRescue: (text: string) => void;
}

/** The messages that wait, first to be taken first. */
export function QueueChips({ store, onRescue }: QueueChipsProps): ReactNode {
  const queue = useQueue(store);
  const list = useRef<HTMLUListElement>(null);
  const [draft, setDraft] = useState<{ id: string; text: string } | undefined>();
  const { entries } = queue;
  const move = (from: number, to: number): void => {
    const entry = entries[from];
    if (entry !== undefined) queue.act(entry.id, { act: 'move', place: to });
  };
  const reorder = useReorder(list, move);
  const keepFocus = useFocus(list, entries.map((entry) => entry.id).join());
  const lost = draft !== undefined && !entries.some((entry) => entry.id === draft.id);
  if (entries.length === 0 && queue.note === '' && !lost) return null;
  return (
    <section className="queue-box" aria-label="Waiting messages">
      {entries.length > 0 && (
        <ul className="queue" ref={list}>
          {entries.map((entry, index) => (
            <QueueChip
              key={entry.id}
              entry={entry}
              place={index}
              count={entries.length}
              busy={queue.busy === entry.id}
              dragged={reorder.dragged === index}
              style={reorder.style(index)}
              draft={draft?.id === entry.id ? draft.text : undefined}
              onDraft={(text) => setDraft(text === undefined ? undefined : { id: entry.id, text })}
              onAct={(change) => queue.act(entry.id, change, () => change.act === 'update' && change.text !== undefined && setDraft(undefined))}
              onMove={(to) => {
                keepFocus();
                move(index, to);
              }}
              onGrip={(event) => reorder.begin(event, index)}
            />
          ))}
        </ul>
      )}
      {queue.note !== '' && !lost && (
        <p className="queue-note" role="status" data-testid="queue-note">
          {queue.note}
        </p>
      )}
      {lost && (
        <p className="queue-note" role="status" data-testid="queue-note">
          The agent took this message while you were changing it.
          <Button
            look="quiet"
            onClick={() => {
              onRescue(draft.text);
              setDraft(undefined);
            }}
          >
            Keep my words
          </Button>
          <Button look="quiet" onClick={() => setDraft(undefined)}>
            Let it be
          </Button>
        </p>
      )}
    </section>
  );
}

/** A button that is moved in the document loses the focus: it gets it back when the new order is there. */
function useFocus(list: { readonly current: HTMLElement | null }, order: string): () => void {
  const kept = useRef<Element | null>(null);
  useEffect(() => {
    const element = kept.current;
    kept.current = null;
    if (element instanceof HTMLElement && list.current?.contains(element) === true && document.activeElement !== element) element.focus();
  }, [list, order]);
  return () => {
    kept.current = document.activeElement;
  };
}
