import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { Code, ConnectError } from '@connectrpc/connect';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backoff } from './backoff';
import { isSignedOut, toFailure } from './errors';
import { ago, count, duration, money, since } from './format';
import { newId } from './id';
import { localPullPath, safeHref } from './links';
import { splitBlocks } from './markdown-blocks';

describe('safeHref', () => {
  it('lets http, https and our own paths pass and nothing else', () => {
    expect(safeHref('https://example.com/a')).toBe('https://example.com/a');
    expect(safeHref('/settings')).toBe('/settings');
    for (const bad of ['javascript:alert(1)', 'JaVaScRiPt:alert(1)', ' javascript:x', 'data:text/html,x', '//evil.example', '/\\evil', 'file:///etc', '', 'x']) {
      expect(safeHref(bad)).toBeUndefined();
    }
  });

  it('puts names into a path as names', () => {
    expect(localPullPath('a b/c?d', 3)).toBe('/pulls/local/a%20b/c%3Fd/3');
  });
});

describe('splitBlocks', () => {
  it('cuts at blank lines outside of fences', () => {
    expect(splitBlocks('a\n\nb\n\n```\nx\n\ny\n```\n\nc')).toEqual(['a\n\n', 'b\n\n', '```\nx\n\ny\n```\n\n', 'c']);
    expect(splitBlocks('- a\n\n- b\n\n  more')).toEqual(['- a\n\n- b\n\n  more']);
  });

  it('loses nothing, and what it cut off stays as it is while the text grows', () => {
    const piece = fc.constantFrom('a', '\n', '\n\n', '```', '- ', '1. ', '  ', '~~~', 'b c');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), piece, (pieces, next) => {
        const before = splitBlocks(pieces.join(''));
        const after = splitBlocks(pieces.join('') + next);
        expect(before.join('')).toBe(pieces.join(''));
        // The last cut may be taken back while its first line is still being written; those before it stand.
        const settled = before.slice(0, -2);
        expect(after.slice(0, settled.length)).toEqual(settled);
      }),
    );
  });
});

describe('toFailure', () => {
  const status = (reason: string): Uint8Array =>
    new BinaryWriter()
      .tag(1, WireType.LengthDelimited)
      .string(reason)
      .tag(2, WireType.LengthDelimited)
      .string('lucid.ai')
      .tag(3, WireType.LengthDelimited)
      .bytes(new BinaryWriter().tag(1, WireType.LengthDelimited).string('field').tag(2, WireType.LengthDelimited).string('task').finish())
      .finish();

  it('reads reason and metadata from the details', () => {
    const error = new ConnectError('refused', Code.FailedPrecondition);
    error.details.push({ type: 'google.rpc.ErrorInfo', value: status('TOKEN_REFUSED') });
    const failure = toFailure(error);
    expect(failure.reason).toBe('TOKEN_REFUSED');
    expect(failure.metadata).toEqual({ field: 'task' });
    expect(failure.message).toContain('refused this token');
  });

  it('speaks with the server where it has no words of its own, and survives broken details', () => {
    const error = new ConnectError('the branch is not there', Code.NotFound);
    error.details.push({ type: 'google.rpc.ErrorInfo', value: new Uint8Array([10, 200]) });
    expect(toFailure(error)).toMatchObject({ message: 'the branch is not there', reason: '' });
  });

  it('knows who is signed out and what is out of reach', () => {
    expect(isSignedOut(new ConnectError('', Code.Unauthenticated))).toBe(true);
    expect(isSignedOut(new ConnectError('', Code.NotFound))).toBe(false);
    expect(toFailure(ConnectError.from(new TypeError('Failed to fetch'))).message).toContain('cannot be reached');
  });
});

describe('words for numbers', () => {
  it('fit what they tell', () => {
    expect([40, 3210, 42_000, 125_000, 3_780_000].map(duration)).toEqual(['40 ms', '3.2 s', '42 s', '2 min 5 s', '1 h 3 min']);
    expect([940, 12_345, 1_200_000].map(count)).toEqual(['940', '12.3k', '1.20M']);
    expect(money(1_234_567n, 'USD')).toBe('$1.23');
    expect(money(1_200n, 'USD')).toBe('$0.0012');
    expect(money(5_000_000n, '')).toBe('5.00');
    const time = { $typeName: 'google.protobuf.Timestamp', seconds: 1000n, nanos: 0 } as const;
    expect(ago(time, 1_000_000 + 30_000)).toBe('now');
    expect(since(time, 1_000_000 + 3 * 3_600_000)).toBe('3 h ago');
    expect(ago(undefined, 0)).toBe('');
  });
});

describe('Backoff', () => {
  it('doubles up to its bound and never spins', () => {
    const least = new Backoff(100, 1000, () => 0);
    const most = new Backoff(100, 1000, () => 1);
    expect([1, 2, 3, 4, 5].map(() => least.next())).toEqual([10, 20, 40, 80, 100]);
    expect([1, 2, 3, 4, 5].map(() => most.next())).toEqual([100, 200, 400, 800, 1000]);
    most.reset();
    expect(most.next()).toBe(100);
  });
});

describe('newId', () => {
  it('is a UUID of version 4, also without a secure context', () => {
    const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    expect(newId()).toMatch(pattern);
    const kept = crypto.randomUUID.bind(crypto);
    Object.defineProperty(crypto, 'randomUUID', { value: undefined, configurable: true });
    expect(newId()).toMatch(pattern);
    Object.defineProperty(crypto, 'randomUUID', { value: kept, configurable: true });
  });
});
