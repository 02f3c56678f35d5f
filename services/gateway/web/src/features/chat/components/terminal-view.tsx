import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import type { ITheme } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { useEffect, useRef } from 'react';
import type { ReactNode } from 'react';
import { TerminalFeed } from '../stores/terminal-feed';
import type { TimelineStore } from '../stores/timeline-store';

/** Operating system commands that are passed over: titles, links, the clipboard. */
const UNHEARD = [0, 1, 2, 8, 52];

/** A read-only terminal with every command and its output as it comes. */
export default function TerminalView({ store }: { store: TimelineStore }): ReactNode {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => (host.current === null ? undefined : attach(host.current, store)), [store]);
  return <div className="terminal-host" ref={host} />;
}

function attach(host: HTMLElement, store: TimelineStore): () => void {
  const terminal = new Terminal({
    disableStdin: true,
    convertEol: true,
    scrollback: 20_000,
    overviewRuler: { width: 9 },
    fontSize: 12,
    lineHeight: 1.25,
    fontFamily: getComputedStyle(host).getPropertyValue('--mono'),
    cursorInactiveStyle: 'none',
    cursorStyle: 'bar',
    cursorBlink: false,
    theme: themeOf(host),
  });
  // What a command prints can neither make links, nor set titles or the clipboard.
  for (const code of UNHEARD) terminal.parser.registerOscHandler(code, () => true);
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(host);
  const feed = new TerminalFeed(
    store,
    (data) => terminal.write(data),
    () => terminal.reset(),
  );
  const observer = new ResizeObserver(() => {
    if (host.clientWidth > 0 && host.clientHeight > 0) fit.fit();
  });
  observer.observe(host);
  const themes = new MutationObserver(() => (terminal.options.theme = themeOf(host)));
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  const recolor = (): void => {
    terminal.options.theme = themeOf(host);
  };
  dark.addEventListener('change', recolor);
  feed.sync();
  const unsubscribe = store.subscribe('cards', () => feed.sync());
  return () => {
    unsubscribe();
    observer.disconnect();
    themes.disconnect();
    dark.removeEventListener('change', recolor);
    terminal.dispose();
  };
}

/** The page's colours, resolved to what the terminal can read. */
function themeOf(host: HTMLElement): ITheme {
  const names = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;
  const bright = ['brightBlack', 'brightRed', 'brightGreen', 'brightYellow', 'brightBlue', 'brightMagenta', 'brightCyan', 'brightWhite'] as const;
  const theme: ITheme = { background: resolve(host, '--terminal'), foreground: resolve(host, '--text') };
  names.forEach((name, index) => (theme[name] = resolve(host, `--ansi-${index}`)));
  bright.forEach((name, index) => (theme[name] = resolve(host, `--ansi-${index + 8}`)));
  theme.selectionBackground = resolve(host, '--selection');
  theme.scrollbarSliderBackground = resolve(host, '--line');
  theme.scrollbarSliderHoverBackground = theme.scrollbarSliderActiveBackground = resolve(host, '--line-strong');
  theme.overviewRulerBorder = theme.background ?? '';
  theme.cursor = theme.background ?? '';
  return theme;
}

/** light-dark() in a custom property is only resolved where it is used as a colour. */
function resolve(host: HTMLElement, variable: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${variable})`;
  host.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}
