import { useState } from 'react';
import type { ReactNode } from 'react';
import { Icon } from '@/components/ui/icon';
import { Markdown } from '@/components/ui/markdown';
import type { TextCard } from '../stores/cards';

/** What the model writes: a thought that can be folded, or an answer. */
export function AgentText({ card }: { card: TextCard }): ReactNode {
  if (card.reset) return <p className="line">The model’s answer broke off; it begins again.</p>;
  if (card.text === '' && !card.open) return null;
  return card.channel === 'thought' ? <Thought card={card} /> : <Answer card={card} />;
}

function Thought({ card }: { card: TextCard }): ReactNode {
  const [open, setOpen] = useState(true);
  return (
    <article className="thought" data-testid="thought" data-seq={card.seq || undefined}>
      <button type="button" className="thought-head" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name="bulb" size={14} />
        <span>{card.open ? 'Thinking' : 'Thought'}</span>
        <span className={open ? 'fold fold-open' : 'fold'}>
          <Icon name="chevron" size={12} />
        </span>
      </button>
      {open && <Body card={card} />}
    </article>
  );
}

function Answer({ card }: { card: TextCard }): ReactNode {
  return (
    <article className="answer" data-testid="answer" data-seq={card.seq || undefined}>
      <Body card={card} />
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
