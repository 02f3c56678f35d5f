import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAnsi } from './ansi';

const text = (source: string): string => parseAnsi(source).map((span) => span.text).join('');

describe('parseAnsi', () => {
  it('keeps colours and their end', () => {
    expect(parseAnsi('a\x1b[1;31mb\x1b[0mc')).toEqual([
      { text: 'a', className: '' },
      { text: 'b', className: 'a-bold a-fg-1' },
      { text: 'c', className: '' },
    ]);
  });

  it('knows bright, indexed and true colours, and inverse', () => {
    expect(parseAnsi('\x1b[92mx')[0]?.className).toBe('a-fg-10');
    expect(parseAnsi('\x1b[38;5;196mx')[0]?.color).toBe('#ff0000');
    expect(parseAnsi('\x1b[48;2;1;2;3mx')[0]?.background).toBe('#010203');
    expect(parseAnsi('\x1b[38;5;244;1mx')[0]).toMatchObject({ color: '#808080', className: 'a-bold' });
    expect(parseAnsi('\x1b[7mx')[0]?.className).toBe('a-fg-bg a-bg-fg');
  });

  it('takes out what moves a cursor, names a window or rings a bell', () => {
    expect(text('\x1b[2J\x1b[3;4Ha\x1b]0;title\x07b\x07\x1b(Bc\x1b[?25l')).toBe('abc');
  });

  it('shows only the last writing of a line', () => {
    expect(text('10%\r50%\r100%\ndone\r\n')).toBe('100%\ndone\n');
  });

  it('leaves no control character, whatever comes', () => {
    const piece = fc.oneof(fc.string(), fc.constantFrom('\x1b[', '\x1b]', '\x1b', '31', 'm', '\r', '\x07', ';', '\x00'));
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        // eslint-disable-next-line no-control-regex
        expect(text(pieces.join(''))).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f]/);
      }),
    );
  });
});
