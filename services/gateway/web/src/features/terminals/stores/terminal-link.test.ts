import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { OpenTerminalResponse_Exit_Reason as Reason, OpenTerminalResponseSchema } from '@gen/lucid/sandbox/v1/commands_pb';
import type { OpenTerminalResponse } from '@gen/lucid/sandbox/v1/commands_pb';
import { Failure } from '@/lib/errors';
import type { Opening } from '../api/open-terminal';
import { TerminalLink } from './terminal-link';
import type { LinkState } from './terminal-link';

type Step = OpenTerminalResponse | Failure;

const started = (shownBytes = 0n): Step => create(OpenTerminalResponseSchema, { frame: { case: 'started', value: { shownBytes } } });
const output = (offset: bigint, text: string): Step =>
  create(OpenTerminalResponseSchema, { frame: { case: 'output', value: { offset, data: new TextEncoder().encode(text) } } });
const exit = (reason: Reason, code?: number): Step =>
  create(OpenTerminalResponseSchema, {
    frame: { case: 'exit', value: { reason, end: code === undefined ? { case: undefined } : { case: 'exitCode', value: code } } },
  });
const away = new Failure(Code.Unavailable, '', 'away');

/** A terminal that plays one list of steps for each time it is opened. */
async function play(...streams: Step[][]): Promise<{ shown: string; old: string; states: LinkState[]; openings: Opening[] }> {
  const openings: Opening[] = [];
  const states: LinkState[] = [];
  let shown = '';
  let old = '';
  const link = new TerminalLink(
    { sandboxId: 'sbx_1', terminalId: 't', columns: 80, rows: 30 },
    {
      // eslint-disable-next-line @typescript-eslint/require-await
      open: async function* (opening) {
        openings.push(opening);
        for (const step of streams.shift() ?? [exit(Reason.CLOSED)]) {
          if (step instanceof Failure) throw step;
          yield step;
        }
      },
      show: (data, before) => {
        const text = typeof data === 'string' ? data : new TextDecoder().decode(data);
        shown += text;
        if (before) old += text;
        return undefined;
      },
      tell: (state) => states.push(state),
      pause: () => Promise.resolve(),
    },
  );
  await link.run();
  return { shown, old, states, openings };
}

test('a break is taken up again from the next byte, and nothing is opened anew', async () => {
  const { shown, states, openings } = await play([started(), output(0n, 'one '), away], [started(4n), output(4n, 'two'), exit(Reason.EXITED, 3)]);
  expect(shown).toBe('one two');
  expect(openings.map((o) => [o.fromOffset, o.attachOnly, o.columns])).toEqual([
    [0n, false, 80],
    [4n, true, 0],
  ]);
  expect(states.map((state) => state.at)).toEqual(['opening', 'open', 'away', 'open', 'ended']);
  expect(states.at(-1)).toEqual({ at: 'ended', words: 'Its shell ended: exit 3.' });
});

test('a stream that ends without a word is a break too', async () => {
  const { shown } = await play([started(), output(0n, 'a')], [started(1n), output(1n, 'b'), exit(Reason.CLOSED)]);
  expect(shown).toBe('ab');
});

test('what was shown before is not answered again', async () => {
  const { old } = await play([started(5n), output(0n, 'older'), output(5n, 'new'), exit(Reason.EXITED, 0)]);
  expect(old).toBe('older');
});

test('bytes that are no longer kept are told of', async () => {
  const { shown } = await play([started(), output(0n, 'a'), away], [started(9n), output(9n, 'z'), exit(Reason.CLOSED)]);
  expect(shown).toMatch(/^a[^]*no longer kept[^]*z$/);
});

test('it ends with its sandbox', async () => {
  const gone = new Failure(Code.NotFound, 'TERMINAL_NOT_FOUND', 'There is no such terminal.');
  const { states } = await play([started(), away], [gone]);
  expect(states.at(-1)).toEqual({ at: 'ended', words: 'It ended with its sandbox.' });
});

test('what is refused at the start is said and not tried again', async () => {
  const { states, openings } = await play([new Failure(Code.ResourceExhausted, 'SANDBOX_BUSY', 'full')]);
  expect(states.at(-1)).toEqual({ at: 'failed', words: 'full' });
  expect(openings).toHaveLength(1);
});
