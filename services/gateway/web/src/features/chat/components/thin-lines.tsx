import type { ReactNode } from 'react';
import { TurnCompleted_Outcome as Outcome } from '@gen/lucid/sessions/v1/event_pb';
import { Markdown } from '@/components/ui/markdown';
import { duration } from '@/lib/format';
import { safeHref } from '@/lib/links';
import type { LineCard, StatusCard, TurnCard } from '../stores/cards';
import { phaseLook } from './phase';

const OUTCOMES: Readonly<Partial<Record<Outcome, string>>> = {
  [Outcome.DONE]: 'Done',
  [Outcome.INTERRUPTED]: 'Stopped',
  [Outcome.FAILED]: 'Failed',
  [Outcome.BUDGET]: 'The budget is used up',
  [Outcome.LIMIT]: 'The limit of steps is reached',
  [Outcome.WAITING]: 'Waits for your answer',
  [Outcome.STUCK]: 'The agent was stuck',
};

/** A phase that takes time, with how long it took. */
export function StatusLine({ card }: { card: StatusCard }): ReactNode {
  const { word, line } = phaseLook(card.status.phase);
  if (!line) return null;
  return (
    <p className="line" data-seq={card.seq}>
      {card.ms === undefined && <span className="spinner" aria-hidden="true" />}
      <span>{card.status.message || word}</span>
      {card.ms !== undefined && card.ms > 0 && <span className="muted">{duration(card.ms)}</span>}
    </p>
  );
}

/** The end of a turn: a divider with the outcome, and the closing words if nothing said them before. */
export function TurnDivider({ card }: { card: TurnCard }): ReactNode {
  const took = Number(card.turn.durationMs);
  return (
    <div data-testid="turn" data-seq={card.seq}>
      {card.summary !== '' && (
        <article className="answer" data-testid="answer" data-seq={card.seq}>
          <Markdown text={card.summary} />
        </article>
      )}
      <p className="divider">
        <span>
          {OUTCOMES[card.turn.outcome] ?? 'Ended'}
          {took > 0 && ` · ${duration(took)}`}
        </span>
      </p>
    </div>
  );
}

/** A plain line, with a link where there is one. */
export function PlainLine({ card }: { card: LineCard }): ReactNode {
  const href = safeHref(card.href);
  if (card.detail !== '') {
    return (
      <details className="line-details" data-seq={card.seq}>
        <summary className="line">{card.text}</summary>
        <div className="line-detail">
          <Markdown text={card.detail} />
        </div>
      </details>
    );
  }
  return (
    <p className="line" data-seq={card.seq}>
      {href === undefined ? (
        <span>{card.text}</span>
      ) : (
        <a href={href} target="_blank" rel="noopener noreferrer">
          {card.text}
        </a>
      )}
    </p>
  );
}
