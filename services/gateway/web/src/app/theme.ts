import { useEffect } from 'react';
import { useSetting } from '@/lib/setting';

export type Theme = 'system' | 'light' | 'dark';

const NEXT: Readonly<Record<Theme, Theme>> = { system: 'dark', dark: 'light', light: 'system' };

/** The chosen theme, and the step to the next one. */
export interface ThemeChoice {
  readonly theme: Theme;
  readonly next: () => void;
}

/** The chosen theme and the step to the next one; `system` follows the browser. */
export function useTheme(): ThemeChoice {
  const [stored, store] = useSetting('theme', 'system');
  const theme: Theme = stored === 'light' || stored === 'dark' ? stored : 'system';
  useEffect(() => {
    if (theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
  }, [theme]);
  return { theme, next: () => store(NEXT[theme]) };
}
