import { useState } from 'react';
import type { KeyboardEvent, ReactNode } from 'react';
import { ApprovalRequested_Kind as Kind } from '@gen/lucid/sessions/v1/event_pb';
import type { ApprovalRequested, ApprovalRequested_Option as Option } from '@gen/lucid/sessions/v1/event_pb';
import { Button } from '@/components/ui/button';

interface Answer {
  readonly optionId: string;
  readonly text: string;
}

interface ApprovalAnswerProps {
  readonly request: ApprovalRequested;
  readonly sent: boolean;
  readonly onAnswer: (answer: Answer) => void;
}

/** The ways to answer: buttons, of which Enter takes the default one, and words where they are asked for. */
export function ApprovalAnswer({ request, sent, onAnswer }: ApprovalAnswerProps): ReactNode {
  const { options, kind } = request;
  const [text, setText] = useState('');
  /** The option that waits for words. */
  const [wordsFor, setWordsFor] = useState<Option | undefined>();
  const [noting, setNoting] = useState(false);
  const free = options.length === 0 || kind === Kind.QUESTION;
  const words = text.trim();

  function pick(option: Option): void {
    if (!option.needsText) onAnswer({ optionId: option.id, text: noting ? words : '' });
    else if (wordsFor === option && words !== '') onAnswer({ optionId: option.id, text: words });
    else setWordsFor(option);
  }
  function submit(): void {
    if (sent) return;
    if (wordsFor !== undefined) {
      if (words !== '') onAnswer({ optionId: wordsFor.id, text: words });
    } else if (free && words !== '') onAnswer({ optionId: '', text: words });
    else {
      const standard = options.find((option) => option.isDefault);
      if (standard !== undefined) pick(standard);
    }
  }
  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === 'Escape' && wordsFor !== undefined) setWordsFor(undefined);
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  }

  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {(free || noting || wordsFor !== undefined) && (
        <textarea
          key={wordsFor?.id}
          className="input"
          rows={1}
          autoFocus={noting || wordsFor !== undefined}
          aria-label={wordsFor === undefined ? 'Your answer' : wordsFor.label}
          placeholder={noting ? 'A note that goes along with your answer' : placeholder(wordsFor, options)}
          value={text}
          data-testid="question-text"
          onKeyDown={onKeyDown}
          onChange={(event) => setText(event.target.value)}
        />
      )}
      <div className="question-options">
        {options.map((option) => (
          <Button
            key={option.id}
            look={option.isDefault ? 'primary' : 'plain'}
            disabled={sent || (wordsFor === option && words === '')}
            aria-expanded={option.needsText ? wordsFor === option : undefined}
            onClick={() => pick(option)}
          >
            {option.label}
          </Button>
        ))}
        {!free && !noting && wordsFor === undefined && (
          <Button look="quiet" disabled={sent} onClick={() => setNoting(true)}>
            Add a note
          </Button>
        )}
        {free && (
          <Button type="submit" look={options.length === 0 ? 'primary' : 'plain'} disabled={sent || words === ''}>
            Answer
          </Button>
        )}
      </div>
    </form>
  );
}

function placeholder(wordsFor: Option | undefined, options: readonly Option[]): string {
  if (wordsFor !== undefined) return `${wordsFor.label}: in your words`;
  return options.length === 0 ? 'Your answer' : 'Or write an answer of your own';
}
