import { useState } from 'react';
import type { ReactNode } from 'react';
import { Icon } from '@/components/ui/icon';
import { duration } from '@/lib/format';
import type { ToolCard } from '../stores/cards';

/** A tool without a card of its own: its line, its result on demand. */
export function ToolBlock({ card }: { card: ToolCard }): ReactNode {
  const [open, setOpen] = useState(false);
  const { result } = card;
  return (
    <article className="tool" data-testid="tool" data-seq={card.seq || undefined}>
      <button type="button" className="tool-head" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span className={open ? 'fold fold-open' : 'fold'}>
          <Icon name="chevron" size={12} />
        </span>
        <Icon name={card.tool === 'search_files' ? 'search' : 'tool'} size={14} />
        <span className="tool-title">{card.title || card.tool}</span>
        {result === undefined && <span className="spinner" role="img" aria-label="Running" />}
        {result?.ok === false && <span className="badge badge-bad">failed</span>}
        {result !== undefined && result.ms > 0 && <span className="muted small">{duration(result.ms)}</span>}
      </button>
      {open && (
        <div className="tool-body">
          {card.args !== undefined && <pre className="output">{JSON.stringify(card.args, undefined, 2)}</pre>}
          {result !== undefined && result.text !== '' && <pre className="output">{result.text}</pre>}
        </div>
      )}
    </article>
  );
}
