import { useSyncExternalStore } from 'react';

const STEP = 30_000;

/** The time, milliseconds since 1970, in steps of half a minute; renders again with each step. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => Math.floor(Date.now() / STEP) * STEP);
}

function subscribe(listener: () => void): () => void {
  const timer = setInterval(listener, STEP);
  return () => clearInterval(timer);
}
