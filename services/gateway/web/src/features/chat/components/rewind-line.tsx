import { useState } from 'react';
import type { ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { Notice } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { newId } from '@/lib/id';
import { useRewindSession } from '../api/rewind-session';
import type { RewindCard } from '../stores/cards';
import type { TimelineStore } from '../stores/timeline-store';
import { useTopic } from '../stores/use-timeline';
import { phaseLook } from './phase';

/** The files were put back; this too can be taken back. */
export function RewindLine({ card, store }: { card: RewindCard; store: TimelineStore }): ReactNode {
  useTopic(store, 'header');
  const [key] = useState(newId);
  const undo = useRewindSession(store.sessionId, key);
  const { busy } = phaseLook(store.timeline.header.phase);
  const files = card.files === 1 ? 'one file' : `${card.files} files`;
  return (
    <div className="rewind-line" data-testid="rewind-line" data-seq={card.seq}>
      <p className="line">
        <Icon name="undo" size={14} />
        <span>{card.files === 0 ? 'The files were like that already' : `You put ${files} back to an earlier step`}</span>
        {card.undoId !== '' && card.files > 0 && !busy && !undo.isSuccess && (
          <Button
            look="quiet"
            className="rewind-undo"
            busy={undo.isPending}
            data-testid="undo-rewind"
            onClick={() => undo.mutate({ case: 'checkpointId', value: card.undoId })}
          >
            Undo
          </Button>
        )}
      </p>
      {card.left.length > 0 && <p className="muted small">Left as it is, because something ignored is there: {card.left.join(', ')}</p>}
      <Notice text={undo.isError ? errorText(undo.error) : ''} />
    </div>
  );
}
