import { memo } from 'react';
import type { ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Markdown } from '@/components/ui/markdown';
import { clock } from '@/lib/format';
import type { MessageCard } from '../stores/cards';
import type { Outgoing } from '../stores/outbox';

/** A person's bubble, confirmed by the log. */
export function UserMessage({ card }: { card: MessageCard }): ReactNode {
  return (
    <article className="bubble" data-testid="message" data-role="user" data-seq={card.seq} title={clock(card.time)}>
      <Markdown text={card.text} />
    </article>
  );
}

interface OutgoingProps {
  readonly message: Outgoing;
  readonly onResend: (id: string) => void;
  readonly onDiscard: (id: string) => void;
}

/** A person's bubble that is still on its way. */
export const OutgoingMessage = memo(function OutgoingMessage({ message, onResend, onDiscard }: OutgoingProps): ReactNode {
  const failed = message.error !== '';
  return (
    <article className={failed ? 'bubble bubble-failed' : 'bubble bubble-sending'} data-testid="message" data-role="user">
      <Markdown text={message.text} />
      {failed ? (
        <p className="bubble-note" role="alert">
          Not sent: {message.error}{' '}
          <Button look="quiet" onClick={() => onResend(message.id)}>
            Send again
          </Button>
          <Button look="quiet" onClick={() => onDiscard(message.id)}>
            Discard
          </Button>
        </p>
      ) : (
        <p className="bubble-note muted">Sending…</p>
      )}
    </article>
  );
});
