import { Code } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { Failure } from '@/lib/errors';
import { Typing } from './typing';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

/** A terminal that takes at most `room` bytes a call and loses every answer that `loses` names. */
function terminal(room = 1000, loses: readonly number[] = []) {
  const calls: [bigint, string][] = [];
  let got = '';
  const send = (offset: bigint, data: Uint8Array): Promise<bigint> => {
    calls.push([offset, text(data)]);
    got += text(data).slice(got.length - Number(offset), got.length - Number(offset) + room);
    if (loses.includes(calls.length)) return Promise.reject(new Failure(Code.Unavailable, '', 'lost'));
    return Promise.resolve(BigInt(got.length));
  };
  return { send, calls, got: () => got };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await Promise.resolve();
}

test('what is typed while a call is under way goes with the next one', async () => {
  const end = terminal();
  const typing = new Typing(end.send, () => Promise.resolve());
  for (const key of 'hello') typing.add(bytes(key));
  await settled();
  expect(end.calls).toEqual([
    [0n, 'h'],
    [1n, 'ello'],
  ]);
});

test('a lost answer writes nothing twice', async () => {
  const end = terminal(1000, [1, 2]);
  const typing = new Typing(end.send, () => Promise.resolve());
  typing.add(bytes('abc'));
  await settled();
  typing.add(bytes('def'));
  await settled();
  expect(end.got()).toBe('abcdef');
});

test('what a program does not take is offered again', async () => {
  const end = terminal(2);
  const typing = new Typing(end.send, () => Promise.resolve());
  typing.add(bytes('abcdefg'));
  await settled();
  expect(end.got()).toBe('abcdefg');
  expect(end.calls[1]).toEqual([2n, 'cdefg']);
});

test('a terminal that has ended takes nothing more', async () => {
  let calls = 0;
  const typing = new Typing(
    () => {
      calls += 1;
      return Promise.reject(new Failure(Code.FailedPrecondition, 'INPUT_CLOSED', 'ended'));
    },
    () => Promise.resolve(),
  );
  typing.add(bytes('a'));
  await settled();
  typing.add(bytes('b'));
  await settled();
  expect(calls).toBe(1);
});
