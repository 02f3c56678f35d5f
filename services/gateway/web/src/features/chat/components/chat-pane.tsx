import type { ReactNode } from 'react';
import { useOutbox } from '../stores/outbox';
import type { TimelineStore } from '../stores/timeline-store';
import { Composer } from './composer';
import { TimelineView } from './timeline-view';

/** The middle pane: the timeline over the composer. */
export function ChatPane({ store }: { store: TimelineStore }): ReactNode {
  const outbox = useOutbox(store);
  return (
    <section className="chat" aria-label="Chat">
      <TimelineView store={store} outbox={outbox} />
      <Composer store={store} onSend={outbox.send} />
    </section>
  );
}
