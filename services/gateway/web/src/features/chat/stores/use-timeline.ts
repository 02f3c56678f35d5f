import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import { useStream } from '@/lib/stream-context';
import type { Card } from './cards';
import { TimelineStore } from './timeline-store';
import type { Topic } from './timeline-store';

/** Follows a session for as long as the caller is on the page. */
export function useTimeline(sessionId: string): TimelineStore {
  const stream = useStream();
  const [store] = useState(() => new TimelineStore(sessionId));
  useEffect(
    () =>
      stream.watch({
        cursor: () => store.cursor(),
        receive: (response) => store.receive(response),
        ended: (reason) => store.end(reason),
      }),
    [stream, store],
  );
  return store;
}

/** Renders again when the topic has changed; gives its version. */
export function useTopic(store: TimelineStore, topic: Topic): number {
  const subscribe = useCallback((listener: () => void) => store.subscribe(topic, listener), [store, topic]);
  return useSyncExternalStore(subscribe, () => store.version(topic));
}

/** Renders again when this card has changed, and only then. */
export function useCard(store: TimelineStore, id: string): Card | undefined {
  const subscribe = useCallback((listener: () => void) => store.subscribeCard(id, listener), [store, id]);
  useSyncExternalStore(subscribe, () => store.card(id)?.version ?? -1);
  return store.card(id);
}
