import { useState, useSyncExternalStore } from 'react';
import { listEventsBefore } from '../api/list-events';
import { HistoryLoader } from './history-loader';
import type { Loading } from './history-loader';
import { firstSeq } from './timeline-model';
import type { TimelineStore } from './timeline-store';
import { useTopic } from './use-timeline';

/** The part of the log before what is loaded. */
export interface History extends Loading {
  /** There are older events. */
  readonly more: boolean;
  readonly load: () => void;
}

/** Follows what is loaded of a session's log. */
export function useHistory(store: TimelineStore): History {
  useTopic(store, 'list');
  useTopic(store, 'header');
  const [loader] = useState(() => new HistoryLoader(store, listEventsBefore));
  const { busy, error } = useSyncExternalStore(loader.subscribe, loader.state);
  return { more: store.timeline.caughtUp && firstSeq(store.timeline) > 1, busy, error, load: loader.load };
}
