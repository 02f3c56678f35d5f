import { useContext } from 'react';
import type { ReactNode } from 'react';
import { ApprovalRequested_Kind as Kind, ApprovalRequested_Risk as Risk } from '@gen/lucid/sessions/v1/event_pb';
import type { ApprovalRequested } from '@gen/lucid/sessions/v1/event_pb';
import { DiffView } from '@/components/ui/diff-view';
import { Icon } from '@/components/ui/icon';
import type { IconName } from '@/components/ui/icon';
import { Markdown } from '@/components/ui/markdown';
import { Notice } from '@/components/ui/notice';
import { errorText, toFailure } from '@/lib/errors';
import { clock, duration, millis } from '@/lib/format';
import { useNow } from '@/lib/now';
import { useResolveApproval } from '../api/resolve-approval';
import type { ApprovalCard as Card } from '../stores/cards';
import { ApprovalAnswer } from './approval-answer';
import { Me } from './me';

interface KindLook {
  readonly word: string;
  readonly icon: IconName;
}

const KINDS: Readonly<Partial<Record<Kind, KindLook>>> = {
  [Kind.COMMAND]: { word: 'Run this command?', icon: 'terminal' },
  [Kind.PUSH]: { word: 'Push this?', icon: 'branch' },
  [Kind.PULL_REQUEST]: { word: 'Open this pull request?', icon: 'pull' },
  [Kind.WORKFLOW_FILES]: { word: 'Change what CI runs?', icon: 'warning' },
  [Kind.NETWORK]: { word: 'Reach the network?', icon: 'out' },
  [Kind.BUDGET]: { word: 'More budget?', icon: 'gauge' },
  [Kind.PLAN]: { word: 'Follow this plan?', icon: 'list' },
  [Kind.QUESTION]: { word: 'The agent asks', icon: 'question' },
};
const OTHER: KindLook = { word: 'The agent asks', icon: 'question' };

const RISKS: Readonly<Partial<Record<Risk, readonly [string, string]>>> = {
  [Risk.LOW]: ['low', 'low risk'],
  [Risk.MEDIUM]: ['medium', 'medium risk'],
  [Risk.HIGH]: ['high', 'high risk'],
};

/** A question or an approval: what would be done, how bad it could be, the answers, and what was decided by whom. */
export function ApprovalCard({ card, sessionId }: { card: Card; sessionId: string }): ReactNode {
  const { request, resolved, closed } = card;
  const { word, icon } = KINDS[request.kind] ?? OTHER;
  const resolve = useResolveApproval(sessionId, request.requestId);
  const [risk, riskWord] = RISKS[request.risk] ?? ['low', ''];
  const open = resolved === undefined && closed === '';
  const asks = request.kind === Kind.QUESTION;
  const title = repeats(request) ? word : request.title;
  return (
    <article
      className={`question risk-${asks ? 'low' : risk} ${open ? 'question-open' : ''}`}
      data-testid="question"
      data-kind={Kind[request.kind].toLowerCase()}
      data-seq={card.seq}
      role="group"
      aria-label={title}
    >
      <header className="question-head">
        <Icon name={icon} size={16} /> <strong>{title}</strong>
        {!asks && riskWord !== '' && <span className={`badge risk-badge-${risk}`}>{riskWord}</span>}
        {open && <Expiry request={request} />}
      </header>
      <Body request={request} title={title} />
      {resolved !== undefined && <Decision card={card} />}
      {open && <ApprovalAnswer request={request} sent={resolve.isPending || resolve.isSuccess} onAnswer={resolve.mutate} />}
      {!open && resolved === undefined && (
        <p className="muted">{closed === 'message' ? 'Answered by a message.' : 'Not answered; the turn is over.'}</p>
      )}
      {resolve.isError && (
        <Notice look={toFailure(resolve.error).reason === 'APPROVAL_RESOLVED' ? 'info' : 'error'} text={errorText(resolve.error)} />
      )}
    </article>
  );
}

/** What would be done: a command as it would run, anything else as Markdown; then what it would change. */
function Body({ request, title }: { request: ApprovalRequested; title: string }): ReactNode {
  const { body, kind, unifiedDiff } = request;
  const bare = kind === Kind.COMMAND && !body.includes('```');
  return (
    <>
      {body !== '' && body.trim() !== title.trim() && (bare ? <pre className="question-command">{body}</pre> : <Markdown text={body} />)}
      {unifiedDiff !== '' && <DiffView diff={unifiedDiff} titles />}
    </>
  );
}

/** Is the title only the beginning of the body, or of the command in it? */
function repeats({ title, body }: ApprovalRequested): boolean {
  const flat = (text: string): string => text.replace(/\s+/g, ' ').trim();
  return title === '' || flat(body.replace(/^`{3,}\w*\n/, '')).startsWith(flat(title).slice(0, 60));
}

/** How long there is to answer. */
function Expiry({ request }: { request: ApprovalRequested }): ReactNode {
  const now = useNow(1000);
  const until = millis(request.expires);
  if (until === undefined) return null;
  const left = until - now;
  return (
    <span className={left < 60_000 ? 'question-expiry question-expiry-soon' : 'question-expiry'} title={clock(request.expires)} data-testid="question-expiry">
      {left > 0 ? `${duration(Math.max(1000, Math.round(left / 1000) * 1000))} left` : 'time is up'}
    </span>
  );
}

function Decision({ card }: { card: Card }): ReactNode {
  const me = useContext(Me);
  const { request, resolved } = card;
  if (resolved === undefined) return null;
  const option = request.options.find(({ id }) => id === resolved.optionId);
  if (resolved.expired) {
    return (
      <p className="muted" data-testid="question-answer">
        Lapsed without an answer{option === undefined ? '' : `: ${option.label}`}.
      </p>
    );
  }
  const words = [option?.label ?? resolved.optionId, resolved.text].filter(Boolean).join(': ');
  return (
    <p className="question-answer">
      <Icon name="check" size={14} /> <span data-testid="question-answer">{words || 'Answered'}</span>
      <span className="muted small">{who(resolved.by, me)}</span>
    </p>
  );
}

function who(by: string, me: string): string {
  if (by === '') return '';
  return by === me ? 'by you' : 'by somebody else';
}
