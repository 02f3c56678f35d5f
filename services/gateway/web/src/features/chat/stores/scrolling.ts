import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { RefObject } from 'react';
import type { TimelineStore } from './timeline-store';

/** So near to the end (pixels) the view follows what comes. */
const NEAR = 60;
/** So near to the beginning (pixels) older cards are fetched. */
const NEAR_TOP = 600;

/** Goes further back once a person is near the beginning of what is drawn, or sees all of it. */
export function useEarlier(scroller: RefObject<HTMLElement | null>, more: boolean, earlier: () => void, drawn: number): void {
  const latest = useRef(earlier);
  useEffect(() => {
    latest.current = earlier;
  });
  useEffect(() => {
    const element = scroller.current;
    if (element === null || !more) return undefined;
    const look = (): void => {
      // A pane that is not shown has no height, and nobody reads there.
      if (element.clientHeight > 0 && element.scrollTop < NEAR_TOP) latest.current();
    };
    const timer = requestAnimationFrame(look);
    element.addEventListener('scroll', look, { passive: true });
    return () => {
      cancelAnimationFrame(timer);
      element.removeEventListener('scroll', look);
    };
  }, [scroller, more, drawn]);
}

/** What a person reads stays where it is while older cards are put before it. */
export function useReading(scroller: RefObject<HTMLElement | null>, firstId: string | undefined): void {
  const kept = useRef<{ element: Element; top: number } | undefined>(undefined);
  useLayoutEffect(() => {
    const element = scroller.current;
    const before = kept.current;
    if (element === null || before?.element.isConnected !== true) return;
    scrollBy(element, before.element.getBoundingClientRect().top - before.top);
  }, [scroller, firstId]);
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return undefined;
    const keep = (): void => {
      const top = element.getBoundingClientRect().top;
      const card = [...element.querySelectorAll('.timeline-inner > [data-seq], .timeline-inner > [data-testid]:not(.earlier)')].find(
        (child) => child.getBoundingClientRect().bottom > top,
      );
      kept.current = card === undefined ? undefined : { element: card, top: card.getBoundingClientRect().top };
    };
    keep();
    element.addEventListener('scroll', keep, { passive: true });
    return () => element.removeEventListener('scroll', keep);
  }, [scroller, firstId]);
}

/** Keeps the end in view while the person is at the end, and leaves them alone while they read above. */
export function useFollow(store: TimelineStore, outgoing: number) {
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

function scrollBy(element: HTMLElement, pixels: number): void {
  if (pixels !== 0) element.scrollTop += pixels;
}
