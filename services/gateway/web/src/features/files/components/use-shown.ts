import { useEffect, useState } from 'react';
import type { RefObject } from 'react';

/** True while a person can see the element: it is laid out, and the page is in front. */
export function useShown(element: RefObject<HTMLElement | null>): boolean {
  const [laidOut, setLaidOut] = useState(false);
  const [inFront, setInFront] = useState(() => document.visibilityState === 'visible');
  useEffect(() => {
    const look = (): void => setInFront(document.visibilityState === 'visible');
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, []);
  useEffect(() => {
    if (element.current === null) return undefined;
    const observer = new IntersectionObserver((entries) => setLaidOut(entries.at(-1)?.isIntersecting === true));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return laidOut && inFront;
}
