import { useState } from 'react';
import type { ReactNode } from 'react';
import { Icon } from '@/components/ui/icon';
import { Markdown } from '@/components/ui/markdown';
import type { TextCard } from '../stores/cards';

/**
 * What the model writes. Only its end tells whether it was a thought or the answer: both stand at the same place in the
 * same letters, so that nothing jumps when it turns out to be the answer.
 */
export function AgentText({ card }: { card: TextCard }): ReactNode {
  const [open, setOpen] = useState(true);
  if (card.reset) return <p className="line">The model’s answer broke off; it begins again.</p>;
  if (card.text === '' && !card.open) return null;
  const thought = card.channel === 'thought';
  return (
    <article className={thought ? 'agent-text thought' : 'agent-text answer'} data-testid={thought ? 'thought' : 'answer'} data-seq={card.seq || undefined}>
      {thought && (
        <button
          type="button"
          className="thought-fold"
          aria-expanded={open}
          aria-label={card.open ? 'Thinking' : 'Thought'}
          title={open ? 'Fold this thought' : 'Unfold this thought'}
          onClick={() => setOpen(!open)}
        >
          <Icon name={open ? 'bulb' : 'chevron'} size={13} />
        </button>
      )}
      {open || !thought ? <Body card={card} /> : <p className="thought-folded">{card.text.trim().split('\n')[0]}</p>}
    </article>
  );
}

function Body({ card }: { card: TextCard }): ReactNode {
  return (
    <div className={card.open ? 'text-body text-open' : 'text-body'}>
      <Markdown text={card.text} grows={card.open} />
      {card.interrupted && <p className="muted small">— cut off here</p>}
    </div>
  );
}
