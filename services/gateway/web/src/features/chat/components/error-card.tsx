import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { Error_UserAction as UserAction } from '@gen/lucid/sessions/v1/event_pb';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { duration } from '@/lib/format';
import type { ErrorCard as Card } from '../stores/cards';

/** Something went wrong: in words, with the one thing that a person can do. */
export function ErrorCard({ card, onRetry }: { card: Card; onRetry: () => void }): ReactNode {
  const { error } = card;
  return (
    <article className="error-card" role="alert" data-testid="error-card" data-seq={card.seq}>
      <Icon name="warning" size={16} />
      <div className="error-text">
        <p>{error.message || 'Something went wrong.'}</p>
        <p className="muted small">
          {error.code}
          {error.retryable && ` · Lucid tries again by itself${retryIn(error.retryAfterMs)}`}
        </p>
      </div>
      <Action action={error.userAction} onRetry={onRetry} />
    </article>
  );
}

/** When it tries again, if that is known. */
function retryIn(ms: bigint): string {
  return ms > 0n ? ` in ${duration(Number(ms))}` : '';
}

function Action({ action, onRetry }: { action: UserAction; onRetry: () => void }): ReactNode {
  if (action === UserAction.RETRY) return <Button onClick={onRetry}>Try again</Button>;
  if (action === UserAction.OPEN_SETTINGS || action === UserAction.RECONNECT_PROVIDER) {
    return (
      <Link href="/settings" className="button button-plain">
        {action === UserAction.OPEN_SETTINGS ? 'Open settings' : 'Connect again'}
      </Link>
    );
  }
  return null;
}
