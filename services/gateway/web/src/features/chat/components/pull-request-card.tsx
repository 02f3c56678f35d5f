import { useContext } from 'react';
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { PullRequestChanged_Checks as Checks, PullRequestChanged_State as State } from '@gen/lucid/sessions/v1/event_pb';
import type { PullRequestChanged } from '@gen/lucid/sessions/v1/event_pb';
import { DiffCounts } from '@/components/ui/diff-view';
import { Icon } from '@/components/ui/icon';
import { localPullPath, safeHref } from '@/lib/links';
import type { PullRequestCard as Card } from '../stores/cards';
import { PullFactsSlot } from './pull-facts-slot';

const STATES: Readonly<Partial<Record<State, readonly [string, string]>>> = {
  [State.OPEN]: ['Open', 'badge-good'],
  [State.MERGED]: ['Merged', 'badge-merged'],
  [State.CLOSED]: ['Closed', 'badge-bad'],
};

const CHECKS: Readonly<Partial<Record<Checks, string>>> = {
  [Checks.PENDING]: 'checks running',
  [Checks.PASSED]: 'checks passed',
  [Checks.FAILED]: 'checks failed',
};

/** The pull request: what it is called, from where to where, how it stands. */
export function PullRequestCard({ card }: { card: Card }): ReactNode {
  const { pull } = card;
  return (
    <article className="pr-card" data-testid="pr-card" data-seq={card.seq}>
      <span className="pr-icon">
        <Icon name="pull" size={18} />
      </span>
      <div className="pr-text">
        <PullLink pull={pull} />
        <p className="pr-branches">
          <code>{pull.head}</code> → <code>{pull.base}</code>
        </p>
        <p className="pr-facts">
          <Facts pull={pull} />
          <span className="muted small">{CHECKS[pull.checks] ?? ''}</span>
          {pull.existed && <span className="muted small">was open before</span>}
        </p>
      </div>
    </article>
  );
}

/** As the log has it, or, for a local one, as it is. */
function Facts({ pull }: { pull: PullRequestChanged }): ReactNode {
  const draw = useContext(PullFactsSlot);
  const [word, look] = STATES[pull.state] ?? ['Unknown', ''];
  const logged = (
    <>
      <span className={`badge ${look}`} data-testid="pr-state">
        {pull.draft ? 'Draft' : word}
      </span>
      {pull.added + pull.removed > 0 && <DiffCounts added={pull.added} removed={pull.removed} />}
    </>
  );
  return pull.provider === 'local' ? draw(pull.repo, pull.number, logged) : logged;
}

/** A local one opens in the page, any other at its provider. */
function PullLink({ pull }: { pull: PullRequestChanged }): ReactNode {
  const text = (
    <>
      {pull.title}{' '}
      <span className="muted">
        {pull.provider === 'gitlab' ? '!' : '#'}
        {pull.number}
      </span>
    </>
  );
  if (pull.provider === 'local') {
    return (
      <Link href={localPullPath(pull.repo, pull.number)} className="pr-link" data-testid="pr-link">
        {text}
      </Link>
    );
  }
  const href = safeHref(pull.url);
  if (href === undefined) return <span className="pr-link">{text}</span>;
  return (
    <a href={href} className="pr-link" target="_blank" rel="noopener noreferrer" data-testid="pr-link">
      {text} <Icon name="out" size={12} />
    </a>
  );
}
