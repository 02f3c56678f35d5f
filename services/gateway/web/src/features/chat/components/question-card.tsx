import { useState } from 'react';
import type { ReactNode } from 'react';
import { ApprovalRequested_Kind as Kind } from '@gen/lucid/sessions/v1/event_pb';
import type { ApprovalRequested, ApprovalRequested_Option as Option } from '@gen/lucid/sessions/v1/event_pb';
import { Button } from '@/components/ui/button';
import { DiffView } from '@/components/ui/diff-view';
import { Icon } from '@/components/ui/icon';
import { Markdown } from '@/components/ui/markdown';
import { Notice } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { useResolveApproval } from '../api/resolve-approval';
import type { ApprovalCard } from '../stores/cards';

/** A question or an approval that waits for a person, and what was answered. */
export function QuestionCard({ card, sessionId }: { card: ApprovalCard; sessionId: string }): ReactNode {
  const { request, resolved, closed } = card;
  return (
    <article className="question" data-testid="question" data-seq={card.seq}>
      <header className="question-head">
        <Icon name="question" size={16} /> <strong>{repeats(request) ? 'The agent asks' : request.title}</strong>
      </header>
      {request.body !== '' && <Markdown text={request.body} />}
      {request.unifiedDiff !== '' && <DiffView diff={request.unifiedDiff} titles />}
      {resolved !== undefined && <Answered card={card} />}
      {resolved === undefined && closed === '' && <Answer card={card} sessionId={sessionId} />}
      {resolved === undefined && closed !== '' && (
        <p className="muted">{closed === 'message' ? 'Answered by a message.' : 'Not answered; the turn is over.'}</p>
      )}
    </article>
  );
}

/** Is the title only the beginning of the body? */
function repeats({ title, body }: ApprovalRequested): boolean {
  const flat = (text: string): string => text.replace(/\s+/g, ' ').trim();
  return title === '' || flat(body).startsWith(flat(title).slice(0, 60));
}

function Answered({ card }: { card: ApprovalCard }): ReactNode {
  const { request, resolved } = card;
  if (resolved === undefined) return null;
  if (resolved.expired) return <p className="muted">Nobody answered in time.</p>;
  const label = request.options.find((option) => option.id === resolved.optionId)?.label ?? resolved.optionId;
  return (
    <p className="question-answer" data-testid="question-answer">
      <Icon name="check" size={14} /> {[label, resolved.text].filter(Boolean).join(': ')}
    </p>
  );
}

function Answer({ card, sessionId }: { card: ApprovalCard; sessionId: string }): ReactNode {
  const { options, requestId, kind } = card.request;
  const [text, setText] = useState('');
  const resolve = useResolveApproval(sessionId, requestId);
  const sent = resolve.isPending || resolve.isSuccess;
  const freeText = kind === Kind.QUESTION || options.length === 0 || options.some((option) => option.needsText);
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() !== '') resolve.mutate({ optionId: '', text: text.trim() });
      }}
    >
      {freeText && (
        <textarea
          className="input"
          rows={2}
          aria-label="Your answer"
          placeholder={options.length === 0 ? 'Your answer' : 'Or write an answer of your own'}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      )}
      <div className="question-options">
        {options.map((option) => (
          <OptionButton
            key={option.id}
            option={option}
            disabled={sent || (option.needsText && text.trim() === '')}
            onPick={() => resolve.mutate({ optionId: option.id, text: option.needsText ? text.trim() : '' })}
          />
        ))}
        {freeText && (
          <Button type="submit" look={options.length === 0 ? 'primary' : 'plain'} disabled={sent || text.trim() === ''}>
            Answer
          </Button>
        )}
      </div>
      <Notice text={resolve.isError ? errorText(resolve.error) : ''} />
    </form>
  );
}

interface OptionProps {
  readonly option: Option;
  readonly disabled: boolean;
  readonly onPick: () => void;
}

function OptionButton({ option, disabled, onPick }: OptionProps): ReactNode {
  return (
    <Button look={option.isDefault ? 'primary' : 'plain'} disabled={disabled} onClick={onPick}>
      {option.label}
    </Button>
  );
}
