import { useCallback, useSyncExternalStore } from 'react';

const STEP = 30_000;

/** The time, milliseconds since 1970, in steps of `step` milliseconds (half a minute); renders again with each step. */
export function useNow(step = STEP): number {
  const subscribe = useCallback(
    (listener: () => void) => {
      const timer = setInterval(listener, step);
      return () => clearInterval(timer);
    },
    [step],
  );
  return useSyncExternalStore(subscribe, () => Math.floor(Date.now() / step) * step);
}
