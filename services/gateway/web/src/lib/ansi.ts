/** A run of text in one style; the classes are `a-bold`, `a-fg-1` and so on. */
export interface AnsiSpan {
  readonly text: string;
  readonly className: string;
  /** A colour beyond the sixteen named ones, as CSS. */
  readonly color?: string;
  readonly background?: string;
}

interface Style {
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
  foreground: string;
  background: string;
}

// CSI with its parameters and final byte, OSC up to BEL or ST, other two-byte escapes, and lone control characters.
// eslint-disable-next-line no-control-regex
const ESCAPE = /\x1b\[([0-9;:?<=>]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[()#%][ -~]|\x1b[ -~]?|[\x00-\x08\x0b\x0c\x0e-\x1a\x7f]/g;

/** Splits a command's output into styled runs. Colours are kept, every other control sequence is taken out. */
export function parseAnsi(source: string): AnsiSpan[] {
  const text = overwriteLines(source);
  const spans: AnsiSpan[] = [];
  const style = plain();
  let at = 0;
  for (const match of text.matchAll(ESCAPE)) {
    push(spans, text.slice(at, match.index), style);
    at = match.index + match[0].length;
    if (match[2] === 'm') applySgr(style, match[1] ?? '');
  }
  push(spans, text.slice(at), style);
  return spans;
}

/** A carriage return writes the line anew (progress bars): only the last writing is shown. */
function overwriteLines(text: string): string {
  if (!text.includes('\r')) return text;
  return text.replace(/\r+\n/g, '\n').replace(/[^\n]*\r(?=[^\n])/g, '').replace(/\r/g, '');
}

function plain(): Style {
  return { bold: false, dim: false, italic: false, underline: false, inverse: false, foreground: '', background: '' };
}

function push(spans: AnsiSpan[], text: string, style: Style): void {
  if (text === '') return;
  const foreground = style.inverse ? style.background || 'bg' : style.foreground;
  const background = style.inverse ? style.foreground || 'fg' : style.background;
  const classes = [
    style.bold && 'a-bold',
    style.dim && 'a-dim',
    style.italic && 'a-italic',
    style.underline && 'a-underline',
    foreground !== '' && !foreground.startsWith('#') && `a-fg-${foreground}`,
    background !== '' && !background.startsWith('#') && `a-bg-${background}`,
  ];
  spans.push({
    text,
    className: classes.filter((name) => typeof name === 'string').join(' '),
    ...(foreground.startsWith('#') && { color: foreground }),
    ...(background.startsWith('#') && { background }),
  });
}

function applySgr(style: Style, parameters: string): void {
  const codes = parameters === '' ? [0] : parameters.split(/[;:]/).map((code) => Number(code) || 0);
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index] ?? 0;
    if (code === 38 || code === 48) {
      const { color, used } = extendedColor(codes.slice(index + 1));
      if (code === 38) style.foreground = color;
      else style.background = color;
      index += used;
    } else applyCode(style, code);
  }
}

function applyCode(style: Style, code: number): void {
  if (code === 0) Object.assign(style, plain());
  else if (code === 1) style.bold = true;
  else if (code === 2) style.dim = true;
  else if (code === 3) style.italic = true;
  else if (code === 4) style.underline = true;
  else if (code === 7) style.inverse = true;
  else if (code === 22) style.bold = style.dim = false;
  else if (code === 23) style.italic = false;
  else if (code === 24) style.underline = false;
  else if (code === 27) style.inverse = false;
  else if (code === 39) style.foreground = '';
  else if (code === 49) style.background = '';
  else if (code >= 30 && code <= 37) style.foreground = String(code - 30);
  else if (code >= 40 && code <= 47) style.background = String(code - 40);
  else if (code >= 90 && code <= 97) style.foreground = String(code - 82);
  else if (code >= 100 && code <= 107) style.background = String(code - 92);
}

function extendedColor(rest: readonly number[]): { color: string; used: number } {
  if (rest[0] === 5) return { color: indexed(rest[1] ?? 0), used: 2 };
  if (rest[0] === 2) return { color: hex([rest[1] ?? 0, rest[2] ?? 0, rest[3] ?? 0]), used: 4 };
  return { color: '', used: rest.length };
}

/** One of the 256: the sixteen by name, a 6×6×6 cube, 24 greys. */
function indexed(index: number): string {
  if (index < 16) return String(index);
  if (index >= 232) return hex([8, 8, 8].map((base) => base + (index - 232) * 10));
  const cube = index - 16;
  return hex([Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((level) => (level === 0 ? 0 : 55 + level * 40)));
}

function hex(rgb: readonly number[]): string {
  return `#${rgb.map((part) => Math.min(255, Math.max(0, part)).toString(16).padStart(2, '0')).join('')}`;
}
