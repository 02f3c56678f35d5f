import { useRef, useState } from 'react';
import type { KeyboardEvent, ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { Notice } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { useStopSession } from '../api/stop-session';
import type { TimelineStore } from '../stores/timeline-store';
import { useTopic } from '../stores/use-timeline';
import { phaseLook } from './phase';

interface ComposerProps {
  readonly store: TimelineStore;
  readonly onSend: (text: string) => void;
}

/** Where a person writes: Enter sends, Shift+Enter breaks the line; while the agent works a message is queued. */
export function Composer({ store, onSend }: ComposerProps): ReactNode {
  useTopic(store, 'header');
  const [text, setText] = useState('');
  const input = useRef<HTMLTextAreaElement>(null);
  const phase = phaseLook(store.timeline.header.phase);
  function submit(): void {
    if (text.trim() === '') return;
    onSend(text);
    setText('');
    input.current?.focus();
  }
  function onKeyDown(event: KeyboardEvent): void {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  }
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <QueueChips store={store} />
      <div className="composer-box">
        <textarea
          ref={input}
          className="composer-input"
          rows={1}
          aria-label="Message"
          placeholder={phase.busy ? 'Write a follow-up; it waits until this turn is done' : 'Write a message'}
          value={text}
          data-testid="composer"
          onKeyDown={onKeyDown}
          onChange={(event) => setText(event.target.value)}
        />
        {phase.busy && <StopButton sessionId={store.sessionId} stopping={phase.name === 'stopping'} />}
        <Button type="submit" look="primary" className="button-icon" aria-label="Send" disabled={text.trim() === ''} data-testid="send">
          <Icon name="send" />
        </Button>
      </div>
    </form>
  );
}

function StopButton({ sessionId, stopping }: { sessionId: string; stopping: boolean }): ReactNode {
  const stop = useStopSession(sessionId);
  const busy = stopping || stop.isPending;
  return (
    <>
      <Notice text={stop.isError ? errorText(stop.error) : ''} />
      <Button look="danger" busy={busy} data-testid="stop" onClick={() => stop.mutate()}>
        <Icon name="stop" size={14} /> {busy ? 'Stopping…' : 'Stop'}
      </Button>
    </>
  );
}

function QueueChips({ store }: { store: TimelineStore }): ReactNode {
  const { queue } = store.timeline;
  if (queue.length === 0) return null;
  return (
    <ul className="queue" aria-label="Waiting messages">
      {queue.map((entry) => (
        <li key={entry.id} className="queue-chip" data-testid="queue-chip" title={entry.text}>
          <span className="muted">next</span> {entry.text}
        </li>
      ))}
    </ul>
  );
}
