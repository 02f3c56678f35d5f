import { useMemo, useState } from 'react';
import type { ReactNode } from 'react';
import { CommandCompleted_Reason as Reason } from '@gen/lucid/sessions/v1/event_pb';
import type { CommandCompleted } from '@gen/lucid/sessions/v1/event_pb';
import { AnsiText } from '@/components/ui/ansi-text';
import { Icon } from '@/components/ui/icon';
import { duration } from '@/lib/format';
import type { CommandCard } from '../stores/cards';
import { finalText } from '../stores/output';

/** Lines of a running command's output that the card shows; the terminal shows all. */
const LIVE_LINES = 200;
/** A finished command with more lines than this is folded to the last of them: there stands what came of it. */
const FOLD_LINES = 14;

/** `$ command` with its output as it comes, and how it ended. */
export function CommandBlock({ card }: { card: CommandCard }): ReactNode {
  const [folded, setFolded] = useState(false);
  const { completed } = card;
  return (
    <article className="command" data-testid="command" data-seq={card.seq || undefined}>
      <header className="command-head">
        <button
          type="button"
          className="command-line"
          aria-expanded={!folded}
          title={card.started?.cwd}
          onClick={() => setFolded(!folded)}
        >
          <span className={folded ? 'fold' : 'fold fold-open'}>
            <Icon name="chevron" size={12} />
          </span>
          <span className="command-prompt">$</span>
          <code className="command-text">{card.started?.command ?? ''}</code>
        </button>
        {completed === undefined ? <span className="spinner" role="img" aria-label="Running" /> : <Exit completed={completed} />}
      </header>
      {!folded && (completed === undefined ? <LiveOutput card={card} /> : <FinalOutput completed={completed} />)}
    </article>
  );
}

function LiveOutput({ card }: { card: CommandCard }): ReactNode {
  const text = lastLines(card.live.text, LIVE_LINES);
  if (text === '') return null;
  return (
    <pre className="output output-live" data-testid="command-output" tabIndex={0}>
      <span>
        <AnsiText text={text} />
      </span>
    </pre>
  );
}

function FinalOutput({ completed }: { completed: CommandCompleted }): ReactNode {
  const [all, setAll] = useState(false);
  const text = useMemo(() => finalText(completed).replace(/\n+$/, ''), [completed]);
  const lines = useMemo(() => text.split('\n').length, [text]);
  if (text === '') return <p className="output-empty muted">No output</p>;
  const long = lines > FOLD_LINES;
  return (
    <>
      <pre className={long && !all ? 'output output-short' : 'output'} data-testid="command-output" tabIndex={0}>
        <span>
          <AnsiText text={text} />
        </span>
      </pre>
      {long && (
        <button type="button" className="output-more" onClick={() => setAll(!all)}>
          {all ? 'Show less' : `Show all ${lines} lines`}
        </button>
      )}
    </>
  );
}

function Exit({ completed }: { completed: CommandCompleted }): ReactNode {
  const [word, good] = ending(completed);
  return (
    <span className="command-end">
      <span className="muted small">{duration(Number(completed.durationMs))}</span>
      <span className={good ? 'badge badge-good' : 'badge badge-bad'} data-testid="command-exit">
        {word}
      </span>
    </span>
  );
}

const REASONS: Readonly<Partial<Record<Reason, string>>> = {
  [Reason.TIMEOUT]: 'timed out',
  [Reason.STOPPED]: 'stopped',
  [Reason.OOM]: 'out of memory',
  [Reason.SANDBOX_LOST]: 'sandbox lost',
  [Reason.DETACHED]: 'in background',
  [Reason.LIMIT]: 'limit',
  [Reason.DISK]: 'disk full',
};

/** The badge's word, and whether it is good news. */
function ending(completed: CommandCompleted): [string, boolean] {
  const reason = REASONS[completed.reason];
  if (reason !== undefined) return [reason, completed.reason === Reason.DETACHED];
  if (completed.end.case === 'signal') return [completed.end.value, false];
  if (completed.end.case === 'exitCode') return [`exit ${completed.end.value}`, completed.end.value === 0];
  return ['ended', false];
}

function lastLines(text: string, count: number): string {
  let at = text.length - 1;
  for (let found = 0; found < count && at > 0; found += 1) at = text.lastIndexOf('\n', at - 1);
  return at > 0 ? text.slice(at + 1) : text;
}
