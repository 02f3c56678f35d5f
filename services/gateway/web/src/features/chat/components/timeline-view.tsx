import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { Spinner } from '@/components/ui/notice';
import type { Outbox } from '../stores/outbox';
import type { TimelineStore } from '../stores/timeline-store';
import { useTopic } from '../stores/use-timeline';
import { CardView } from './card-view';
import { OutgoingMessage } from './user-message';

/** Cards that are drawn at first, and that each press of "Show earlier" adds. */
const PAGE = 150;
/** So near to the end (pixels) the view follows what comes. */
const NEAR = 60;

/** All cards in order, following the end while a person is there. */
export function TimelineView({ store, outbox }: { store: TimelineStore; outbox: Outbox }): ReactNode {
  useTopic(store, 'list');
  useTopic(store, 'header');
  const [pages, setPages] = useState(1);
  const { scroller, following, jump, onScroll } = useFollow(store, outbox.outgoing.length);
  const onRetry = useRetry(outbox);
  const shown = store.timeline.cards.filter((card) => !card.hidden);
  const cut = Math.max(0, shown.length - pages * PAGE);
  return (
    <div className="timeline-frame">
      <div className="timeline" ref={scroller} onScroll={onScroll} role="log" aria-label="Conversation" tabIndex={0}>
        <div className="timeline-inner">
          {!store.timeline.caughtUp && shown.length === 0 && <Spinner label="Loading the conversation" />}
          {cut > 0 && (
            <Button className="earlier" onClick={() => setPages(pages + 1)}>
              Show earlier ({cut})
            </Button>
          )}
          {shown.slice(cut).map((card) => (
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

/** Keeps the end in view while the person is at the end, and leaves them alone while they read above. */
function useFollow(store: TimelineStore, outgoing: number) {
  const scroller = useRef<HTMLDivElement>(null);
  const pinned = useRef(true);
  const [following, setFollowing] = useState(true);
  const jump = useCallback(() => {
    pinned.current = true;
    setFollowing(true);
    toEnd(scroller.current);
  }, []);
  const onScroll = useCallback(() => {
    const element = scroller.current;
    if (element === null) return;
    const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
    pinned.current = atEnd;
    setFollowing(atEnd);
  }, []);
  // Cards grow for many reasons (a token, a lazily drawn diff): what counts is that the content has grown.
  useLayoutEffect(() => {
    const element = scroller.current;
    const content = element?.firstElementChild;
    if (element === null || content === null || content === undefined) return undefined;
    const observer = new ResizeObserver(() => {
      if (pinned.current) toEnd(element);
    });
    observer.observe(content);
    observer.observe(element);
    return () => observer.disconnect();
  }, [store]);
  useEffect(() => {
    // What a person has just sent, they want to see; the scroll event tells the rest.
    if (outgoing > 0) toEnd(scroller.current);
  }, [outgoing]);
  return { scroller, following, jump, onScroll };
}

function toEnd(element: HTMLElement | null): void {
  if (element !== null) element.scrollTop = element.scrollHeight;
}
