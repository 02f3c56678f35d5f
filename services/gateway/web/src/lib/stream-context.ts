import { createContext, useContext, useSyncExternalStore } from 'react';
import type { ConnectionState, StreamClient } from './stream';

/** The tab's one stream. */
export const StreamContext = createContext<StreamClient | undefined>(undefined);

/** The tab's one stream; every component that follows a session shares it. */
export function useStream(): StreamClient {
  const stream = useContext(StreamContext);
  if (stream === undefined) throw new Error('StreamContext is missing');
  return stream;
}

/** How the connection is right now. */
export function useConnectionState(): ConnectionState {
  const stream = useStream();
  return useSyncExternalStore(stream.subscribe, stream.state);
}
