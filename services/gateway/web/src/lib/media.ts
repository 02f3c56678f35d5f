import { useCallback, useSyncExternalStore } from 'react';

/** Narrower than this the page is one column; the same bound stands in styles/phone.css. */
const NARROW = '(max-width: 820px)';

/** True while the window is as narrow as a phone. */
export function useNarrow(): boolean {
  const subscribe = useCallback((listener: () => void) => {
    const query = window.matchMedia(NARROW);
    query.addEventListener('change', listener);
    return () => query.removeEventListener('change', listener);
  }, []);
  return useSyncExternalStore(subscribe, () => window.matchMedia(NARROW).matches);
}
