import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import type { ITerminalOptions, ITheme } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';

/** Operating system commands that are passed over: titles, links, the clipboard. */
const UNHEARD = [0, 1, 2, 8, 52];

/** A terminal on the page, as large as its host, in the page's colours; `close` takes it away again. */
export interface Screen {
  readonly terminal: Terminal;
  readonly close: () => void;
}

/** Opens a terminal in the host. With `cursor` one can see where one types. */
export function openScreen(host: HTMLElement, options: ITerminalOptions, cursor: boolean): Screen {
  const terminal = new Terminal({
    overviewRuler: { width: 9 },
    fontSize: 12,
    lineHeight: 1.25,
    fontFamily: getComputedStyle(host).getPropertyValue('--mono'),
    theme: themeOf(host, cursor),
    ...options,
  });
  // What a program prints can neither make links, nor set titles or the clipboard.
  for (const code of UNHEARD) terminal.parser.registerOscHandler(code, () => true);
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(host);
  const observer = new ResizeObserver(() => {
    if (host.clientWidth > 0 && host.clientHeight > 0) fit.fit();
  });
  observer.observe(host);
  if (host.clientWidth > 0 && host.clientHeight > 0) fit.fit();
  const recolor = (): void => {
    terminal.options.theme = themeOf(host, cursor);
  };
  const themes = new MutationObserver(recolor);
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  dark.addEventListener('change', recolor);
  return {
    terminal,
    close: () => {
      observer.disconnect();
      themes.disconnect();
      dark.removeEventListener('change', recolor);
      terminal.dispose();
    },
  };
}

/** The page's colours, resolved to what the terminal can read. */
function themeOf(host: HTMLElement, cursor: boolean): ITheme {
  const names = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;
  const bright = ['brightBlack', 'brightRed', 'brightGreen', 'brightYellow', 'brightBlue', 'brightMagenta', 'brightCyan', 'brightWhite'] as const;
  const theme: ITheme = { background: resolve(host, '--terminal'), foreground: resolve(host, '--text') };
  names.forEach((name, index) => (theme[name] = resolve(host, `--ansi-${index}`)));
  bright.forEach((name, index) => (theme[name] = resolve(host, `--ansi-${index + 8}`)));
  theme.selectionBackground = resolve(host, '--selection');
  theme.scrollbarSliderBackground = resolve(host, '--line');
  theme.scrollbarSliderHoverBackground = theme.scrollbarSliderActiveBackground = resolve(host, '--line-strong');
  theme.overviewRulerBorder = theme.background ?? '';
  theme.cursor = resolve(host, cursor ? '--text' : '--terminal');
  theme.cursorAccent = theme.background ?? '';
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
