import { describe, expect, it } from 'vitest';
import { moved, placeOf } from './reorder';

describe('putting a list in another order', () => {
  it('moves one entry and keeps the others in theirs', () => {
    expect(moved(['a', 'b', 'c', 'd'], 0, 2)).toEqual(['b', 'c', 'a', 'd']);
    expect(moved(['a', 'b', 'c', 'd'], 3, 0)).toEqual(['d', 'a', 'b', 'c']);
    expect(moved(['a', 'b'], 1, 1)).toEqual(['a', 'b']);
  });

  it('finds the place under the pointer', () => {
    const middles = [20, 60, 100];
    expect([0, 39, 41, 79, 81, 500].map((dy) => placeOf(middles, 0, dy))).toEqual([0, 0, 1, 1, 2, 2]);
    expect([0, -39, -41, -81, -500].map((dy) => placeOf(middles, 2, dy))).toEqual([2, 2, 1, 0, 0]);
  });
});
