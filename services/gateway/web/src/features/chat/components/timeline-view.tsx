import { useCallback, useEffect, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { Notice, Spinner } from '@/components/ui/notice';
import type { Outbox } from '../stores/outbox';
import { useEarlier, useFollow, useReading } from '../stores/scrolling';
import type { TimelineStore } from '../stores/timeline-store';
import { useHistory } from '../stores/use-history';
import { useTopic } from '../stores/use-timeline';
import { CardView } from './card-view';
import { OutgoingMessage } from './user-message';

/** Cards that are drawn at first, and that each step upwards adds. */
const PAGE = 150;

/** All cards in order, following the end while a person is there, and fetching what is older while they go up. */
export function TimelineView({ store, outbox }: { store: TimelineStore; outbox: Outbox }): ReactNode {
  useTopic(store, 'list');
  useTopic(store, 'header');
  const history = useHistory(store);
  const [pages, setPages] = useState(1);
  const { scroller, following, jump, onScroll } = useFollow(store, outbox.outgoing.length);
  const onRetry = useRetry(outbox);
  const shown = store.timeline.cards.filter((card) => !card.hidden);
  const cut = Math.max(0, shown.length - pages * PAGE);
  const earlier = cut > 0 ? () => setPages(pages + 1) : history.load;
  const drawn = shown.slice(cut);
  const more = cut > 0 || history.more;
  useReading(scroller, drawn[0]?.id);
  useEarlier(scroller, more && !history.busy && history.error === '', earlier, drawn.length);
  return (
    <div className="timeline-frame">
      <div className="timeline" ref={scroller} onScroll={onScroll} role="log" aria-label="Conversation" tabIndex={0}>
        <div className="timeline-inner">
          {!store.timeline.caughtUp && shown.length === 0 && <Spinner label="Loading the conversation" />}
          {more && (
            <div className="earlier" data-testid="earlier">
              <Notice text={history.error} />
              <Button busy={history.busy} onClick={earlier}>
                {history.busy ? 'Loading…' : 'Show earlier'}
              </Button>
            </div>
          )}
          {drawn.map((card) => (
            <CardView key={card.id} id={card.id} store={store} onRetry={onRetry} />
          ))}
          {outbox.outgoing.map((message) => (
            <OutgoingMessage key={message.id} message={message} onResend={outbox.resend} onDiscard={outbox.discard} />
          ))}
        </div>
      </div>
      {!following && (
        <Button className="jump" onClick={jump}>
          <Icon name="down" size={14} /> Jump to latest
        </Button>
      )}
    </div>
  );
}

/** A stable callback, so that no card renders again because of it. */
function useRetry(outbox: Outbox): () => void {
  const latest = useRef(outbox);
  useEffect(() => {
    latest.current = outbox;
  });
  return useCallback(() => latest.current.send('Please try again.'), []);
}
