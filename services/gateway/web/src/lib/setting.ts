import { useCallback, useState } from 'react';

/** A small choice of this browser's person that outlives a reload, such as a folded pane. */
export function useSetting(name: string, initial: string): [string, (value: string) => void] {
  const key = `lucid.${name}`;
  const [value, setValue] = useState(() => read(key) ?? initial);
  const change = useCallback(
    (next: string) => {
      setValue(next);
      try {
        localStorage.setItem(key, next);
      } catch {
        // A browser that keeps nothing still shows the choice until the reload.
      }
    },
    [key],
  );
  return [value, change];
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
