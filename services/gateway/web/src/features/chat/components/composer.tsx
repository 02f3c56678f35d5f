import { useRef, useState } from 'react';
import type { KeyboardEvent, ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { useSetting } from '@/lib/setting';
import type { TimelineStore } from '../stores/timeline-store';
import { useTopic } from '../stores/use-timeline';
import { phaseLook } from './phase';
import { QueueChips } from './queue-chips';
import { PauseNote, RunButtons } from './run-buttons';

interface ComposerProps {
  readonly store: TimelineStore;
  readonly onSend: (text: string, steer: boolean) => void;
}

/** Where a person writes: Enter sends, Shift+Enter breaks the line; while the agent works a message waits, or steers. */
export function Composer({ store, onSend }: ComposerProps): ReactNode {
  useTopic(store, 'header');
  const [text, setText] = useState('');
  const [when, setWhen] = useSetting('delivery', 'after');
  const input = useRef<HTMLTextAreaElement>(null);
  const { queues } = phaseLook(store.timeline.header.phase);
  const asks = store.timeline.waiting.size > 0;
  const steer = when === 'now';
  function submit(now = steer): void {
    if (text.trim() === '') return;
    onSend(text, queues && now);
    setText('');
    input.current?.focus();
  }
  function onKeyDown(event: KeyboardEvent): void {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit(event.ctrlKey || event.metaKey ? !steer : steer);
  }
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <PauseNote store={store} />
      <QueueChips store={store} onRescue={(words) => setText(text === '' ? words : `${text}\n\n${words}`)} />
      <div className={queues ? 'composer-box composer-box-busy' : 'composer-box'}>
        <textarea
          ref={input}
          className="composer-input"
          rows={1}
          aria-label="Message"
          placeholder={placeholder(queues, steer, asks)}
          value={text}
          data-testid="composer"
          onKeyDown={onKeyDown}
          onChange={(event) => setText(event.target.value)}
        />
        {queues && <WhenChoice steer={steer} onChange={(now) => setWhen(now ? 'now' : 'after')} />}
        <RunButtons store={store} />
        <Button type="submit" look="primary" className="button-icon" aria-label="Send" disabled={text.trim() === ''} data-testid="send">
          <Icon name="send" />
        </Button>
      </div>
    </form>
  );
}

function placeholder(queues: boolean, steer: boolean, asks: boolean): string {
  if (asks) return 'Answer above, or in your own words here';
  if (!queues) return 'Write a message';
  return steer ? 'Tell the agent before its next step' : 'Write a follow-up for after this turn';
}

/** When the agent takes what is sent while it works. */
function WhenChoice({ steer, onChange }: { steer: boolean; onChange: (steer: boolean) => void }): ReactNode {
  const option = (now: boolean, word: string, title: string): ReactNode => (
    <label className="when-option" title={title}>
      <input type="radio" name="delivery" className="visually-hidden" checked={steer === now} data-testid={now ? 'when-now' : 'when-after'} onChange={() => onChange(now)} />
      <span>{word}</span>
    </label>
  );
  return (
    <fieldset className="when" aria-label="When the agent takes it">
      {option(false, 'After this turn', 'The agent ends what it is doing first. Ctrl+Enter sends the other way')}
      {option(true, 'Now', 'The agent reads it before its next step. Ctrl+Enter sends the other way')}
    </fieldset>
  );
}
