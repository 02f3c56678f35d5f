import { expect, it } from 'vitest';
import { shownName } from './names';

it('spells out what cannot be seen as itself', () => {
  expect(shownName('a\u202egnp.exe')).toBe('a\\u{202e}gnp.exe');
  expect(shownName('one\ntwo\u001b[2J')).toBe('one\\ntwo\\u{1b}[2J');
  expect(shownName('bad\u{10feff}\u{10fe80}')).toBe('bad\\xff\\x80');
  expect(shownName('ä 😀 日本')).toBe('ä 😀 日本');
});
