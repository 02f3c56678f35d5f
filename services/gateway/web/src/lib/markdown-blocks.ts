/**
 * Cuts growing Markdown into parts that will not change any more, and a last part that may. Parts end at blank lines
 * outside of code fences, before a line that begins a block of its own; so that a long answer is not parsed anew with
 * every token.
 */
export function splitBlocks(text: string): string[] {
  const blocks: string[] = [];
  let fence = '';
  let start = 0;
  let blank = false;
  let at = 0;
  while (at < text.length) {
    const newline = text.indexOf('\n', at);
    const end = newline === -1 ? text.length : newline + 1;
    const line = text.slice(at, end);
    if (blank && fence === '' && beginsBlock(line)) {
      blocks.push(text.slice(start, at));
      start = at;
    }
    fence = fenceAfter(fence, line);
    blank = line.trim() === '';
    at = end;
  }
  blocks.push(text.slice(start));
  return blocks;
}

/** Not a blank line, not indented, not an item that may go on with the list before. */
function beginsBlock(line: string): boolean {
  return /^\S/.test(line) && !/^([-*+]|\d+[.)])\s/.test(line);
}

function fenceAfter(fence: string, line: string): string {
  const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
  if (mark === undefined) return fence;
  if (fence === '') return mark;
  const closes = mark.startsWith(fence) && line.trim() === mark;
  return closes ? '' : fence;
}
