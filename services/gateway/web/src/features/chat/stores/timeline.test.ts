import { create } from '@bufbuild/protobuf';
import {
  ApprovalRequested_Kind as Kind,
  Channel,
  FrameSchema,
  NetworkBlocked_Reason,
  NetworkMode,
  PullRequestChanged_State as State,
  QueueChanged_Change as Change,
  SandboxChanged_State,
  StatusChanged_Phase as Phase,
  UserMessage_Delivery,
} from '@gen/lucid/sessions/v1/event_pb';
import type { Event, Frame } from '@gen/lucid/sessions/v1/event_pb';
import { describe, expect, it } from 'vitest';
import { bytes, caughtUpFrame, deltaFrame, event, eventFrame } from '@/testing/frames';
import type { Payload } from '@/testing/frames';
import type { Card } from './cards';
import { apply, openCursors } from './timeline';
import { newTimeline } from './timeline-model';
import type { Timeline } from './timeline-model';

function play(...frames: Frame[]): Timeline {
  const timeline = newTimeline();
  for (const frame of frames) apply(timeline, frame);
  return timeline;
}

function log(...payloads: (Payload | readonly [Payload, string] | readonly [Payload, string, string])[]): Frame[] {
  return payloads.map((entry, index) => {
    const [payload, item, parent] = Array.isArray(entry) ? entry : [entry, '', ''];
    return eventFrame(event(index + 1, payload as Payload, item as string, 'trn_1', (parent as string | undefined) ?? ''));
  });
}

function only<K extends Card['kind']>(timeline: Timeline, kind: K): Extract<Card, { kind: K }>[] {
  return timeline.cards.filter((card): card is Extract<Card, { kind: K }> => card.kind === kind);
}

const started = (channel: Channel): Payload => ({ case: 'textStarted', value: { channel } });
const completed = (channel: Channel, text: string): Payload => ({ case: 'textCompleted', value: { channel, text } });
const title = (text: string): Payload => ({ case: 'titleChanged', value: { title: text } });

describe('changes', () => {
  it('keeps what the session has changed so far', () => {
    const timeline = play(...log({ case: 'diffSnapshot', value: { added: 1, totalFiles: 1 } }, { case: 'diffSnapshot', value: { added: 12, removed: 3, totalFiles: 4 } }));
    expect([timeline.header.soFar?.added, timeline.header.soFar?.removed, timeline.header.soFar?.totalFiles]).toEqual([12, 3, 4]);
    expect(timeline.cards).toEqual([]);
  });

  it('shows a rewind with the way to take it back, and no other checkpoint', () => {
    const timeline = play(
      ...log(
        { case: 'checkpointCreated', value: { checkpointId: 'base', reason: 'base', tree: 't0' } },
        { case: 'checkpointCreated', value: { checkpointId: 'before-k', reason: 'before_rewind', tree: 't2' } },
        { case: 'checkpointCreated', value: { checkpointId: 'rewind-k', reason: 'rewind', tree: 't1', files: 2, left: ['build'] } },
      ),
    );
    expect(only(timeline, 'rewind').map(({ files, left, undoId }) => [files, left, undoId])).toEqual([[2, ['build'], 'before-k']]);
    expect(timeline.cards).toHaveLength(1);
  });
});

describe('durable events', () => {
  it('takes the next, drops the known, asks again at a gap', () => {
    const timeline = newTimeline();
    const first = eventFrame(event(1, title('a')));
    expect(apply(timeline, first)).toBe('applied');
    expect(apply(timeline, first)).toBe('dropped');
    expect(apply(timeline, eventFrame(event(3, title('c'))))).toBe('watch-again');
    expect(timeline.header.title).toBe('a');
    expect(timeline.lastSeq).toBe(1);
    expect(apply(timeline, eventFrame(event(2, title('b'))))).toBe('applied');
    expect(timeline.header.title).toBe('b');
  });

  it('begins anew with an event of another epoch, and with Reset', () => {
    const timeline = play(...log(title('a'), { case: 'userMessage', value: { text: 'hello', clientMessageId: 'm' } }));
    const other = event(3, title('x'));
    other.epoch = 2;
    expect(apply(timeline, eventFrame(other))).toBe('watch-again');
    expect([timeline.epoch, timeline.lastSeq, timeline.cards.length]).toEqual([2, 0, 0]);
    const reset = create(FrameSchema, { frame: { case: 'reset', value: { epoch: 7, reason: 'restored' } } });
    expect(apply(timeline, reset)).toBe('watch-again');
    expect(timeline.epoch).toBe(7);
  });

  it('shows an unknown kind as a plain line and an empty frame as nothing', () => {
    const unknown: Event = event(1, title('x'));
    unknown.payload = { case: undefined };
    const timeline = play(eventFrame(unknown));
    expect(only(timeline, 'line')).toHaveLength(1);
    expect(apply(timeline, create(FrameSchema, {}))).toBe('dropped');
  });
});

describe('deltas', () => {
  const opening = log([started(Channel.THOUGHT), 'i']);
  const delta = (offset: number, text: string, afterSeq = 1): Frame =>
    deltaFrame('i', offset, bytes(text), afterSeq, Channel.THOUGHT);

  it('appends what is new and nothing twice', () => {
    const timeline = play(...opening, delta(0, 'Hel'), delta(1, 'ello'), delta(0, 'Hello'));
    expect(only(timeline, 'text')[0]?.text).toBe('Hello');
    expect(openCursors(timeline).map(({ have }) => have)).toEqual([5]);
  });

  it('asks again when bytes or events are missing', () => {
    const timeline = play(...opening);
    expect(apply(timeline, delta(1, 'x'))).toBe('watch-again');
    expect(apply(timeline, delta(0, 'x', 2))).toBe('watch-again');
    expect(only(timeline, 'text')[0]?.text).toBe('');
  });

  it('drops those of unknown and of closed items', () => {
    const timeline = play(...opening, eventFrame(event(2, completed(Channel.MESSAGE, 'whole'), 'i')));
    expect(apply(timeline, delta(0, 'x', 2))).toBe('dropped');
    expect(apply(timeline, deltaFrame('other', 0, bytes('x'), 2))).toBe('dropped');
    expect(only(timeline, 'text')[0]).toMatchObject({ text: 'whole', channel: 'message', open: false, seq: 2 });
    expect(openCursors(timeline)).toEqual([]);
  });

  it('decodes a character that is cut between two of them', () => {
    const euro = bytes('€');
    const timeline = play(...opening, deltaFrame('i', 0, euro.subarray(0, 1), 1, Channel.THOUGHT));
    apply(timeline, deltaFrame('i', 1, euro.subarray(1), 1, Channel.THOUGHT));
    expect(only(timeline, 'text')[0]?.text).toBe('€');
  });

  it('notices a silent loss by a heartbeat or CaughtUp', () => {
    const timeline = play(...opening, delta(0, 'abc'));
    const beat = (lastSeq: number, length: number): Frame =>
      create(FrameSchema, {
        frame: { case: 'heartbeat', value: { lastSeq, open: [{ itemId: 'i', channel: Channel.THOUGHT, length }] } },
      });
    expect(apply(timeline, beat(1, 3))).toBe('applied');
    expect(apply(timeline, beat(2, 3))).toBe('watch-again');
    expect(apply(timeline, beat(1, 4))).toBe('watch-again');
    expect(apply(timeline, caughtUpFrame(2))).toBe('watch-again');
    expect(timeline.caughtUp).toBe(false);
    expect(apply(timeline, caughtUpFrame(1))).toBe('applied');
    expect(timeline.caughtUp).toBe(true);
  });
});

describe('cards', () => {
  it('shows a tool once: by its own event, or by itself where that never came', () => {
    const call = (tool: string): Payload => ({ case: 'toolCallStarted', value: { tool, title: tool } });
    const done = (ok: boolean): Payload => ({ case: 'toolCallCompleted', value: { ok, resultText: 'why' } });
    const timeline = play(
      ...log(
        [call('run_command'), 'a'],
        [{ case: 'commandStarted', value: { command: 'false' } }, 'ac', 'a'],
        [{ case: 'commandCompleted', value: { end: { case: 'exitCode', value: 1 } } }, 'ac', 'a'],
        [done(false), 'a'],
        [call('edit_file'), 'b'],
        [done(false), 'b'],
        [call('view_file'), 'c'],
        [done(true), 'c'],
        [call('edit_file'), 'd'],
        [{ case: 'fileEdited', value: { path: 'x', causeItemId: 'd' } }, 'e', 'd'],
        [done(true), 'd'],
      ),
    );
    expect(timeline.cards.map((card) => card.kind)).toEqual(['command', 'tool', 'tool', 'diff']);
    expect(only(timeline, 'tool').map((card) => [card.tool, card.result?.ok])).toEqual([
      ['edit_file', false],
      ['view_file', true],
    ]);
  });

  it('updates plan and pull request in place', () => {
    const plan = (text: string): Payload => ({ case: 'planUpdated', value: { steps: [{ id: '1', text }] } });
    const pull = (state: State): Payload => ({ case: 'pullRequestChanged', value: { provider: 'local', repo: 'a/b', number: 1, state } });
    const timeline = play(...log(plan('one'), pull(State.OPEN), plan('two'), pull(State.MERGED)));
    expect(timeline.cards).toHaveLength(2);
    expect(only(timeline, 'plan')[0]?.plan.steps[0]?.text).toBe('two');
    expect(only(timeline, 'pull-request')[0]).toMatchObject({ seq: 4, pull: { state: State.MERGED } });
  });

  it('keeps a queued message as a chip until it is taken', () => {
    const queue = (change: Change, order: string[]): Payload => ({
      case: 'queueChanged',
      value: { queueItemId: 'm', change, order, text: 'next' },
    });
    const said: Payload = { case: 'userMessage', value: { clientMessageId: 'm', text: 'next', delivery: UserMessage_Delivery.QUEUED } };
    const waiting = play(...log(queue(Change.ADDED, ['m'])));
    expect(waiting.queue).toEqual([{ id: 'm', text: 'next', steer: false }]);
    expect(waiting.cards).toHaveLength(0);
    const taken = play(...log(queue(Change.ADDED, ['m']), queue(Change.TAKEN, []), said));
    expect(taken.queue).toEqual([]);
    expect(only(taken, 'message').map(({ hidden, text }) => [hidden, text])).toEqual([[false, 'next']]);
    const early = play(...log(said, queue(Change.ADDED, ['m']), { case: 'textStarted', value: {} }, queue(Change.TAKEN, [])));
    expect(early.cards.map((card) => [card.kind, card.hidden])).toEqual([
      ['text', false],
      ['message', false],
    ]);
    const cancelled = play(...log(said, queue(Change.ADDED, ['m']), queue(Change.CANCELLED, [])));
    expect(only(cancelled, 'message')[0]?.hidden).toBe(true);
  });

  it('follows the queue: words, order, when each is taken, who is gone', () => {
    const queue = (change: Change, id: string, order: string[], text = '', delivery = UserMessage_Delivery.QUEUED): Payload => ({
      case: 'queueChanged',
      value: { queueItemId: id, change, order, text, delivery },
    });
    const first = [queue(Change.ADDED, 'a', ['a'], 'one'), queue(Change.ADDED, 'b', ['a', 'b'], 'two')];
    const state = (...more: Payload[]): string[] => {
      const { queue: entries } = play(...log(...first, ...more));
      return entries.map(({ id, text, steer }) => `${id}:${text}${steer ? '!' : ''}`);
    };
    expect(state()).toEqual(['a:one', 'b:two']);
    expect(state(queue(Change.EDITED, 'b', ['a', 'b'], 'zwei'))).toEqual(['a:one', 'b:zwei']);
    expect(state(queue(Change.EDITED, 'b', ['a', 'b'], '', UserMessage_Delivery.STEER))).toEqual(['a:one', 'b:two!']);
    expect(state(queue(Change.MOVED, 'b', ['b', 'a']))).toEqual(['b:two', 'a:one']);
    expect(state(queue(Change.CANCELLED, 'a', ['b']))).toEqual(['b:two']);
    expect(state(queue(Change.TAKEN, 'a', ['b']), queue(Change.TAKEN, 'b', []))).toEqual([]);
  });

  it('shows a message that steers where the agent took it', () => {
    const added = { queueItemId: 's', change: Change.ADDED, order: ['s'], text: 'hurry', delivery: UserMessage_Delivery.STEER };
    const taken = { ...added, change: Change.TAKEN, order: [] };
    const timeline = play(
      ...log(
        { case: 'queueChanged', value: added },
        { case: 'textStarted', value: {} },
        { case: 'queueChanged', value: taken },
        { case: 'userMessage', value: { clientMessageId: 's', text: 'hurry', delivery: UserMessage_Delivery.STEER } },
      ),
    );
    expect(timeline.cards.map((card) => [card.kind, card.hidden])).toEqual([
      ['text', false],
      ['message', false],
    ]);
  });

  it('keeps an approval open whatever is said beside it, until it is decided', () => {
    const ask = (requestId: string, kind: Kind): Payload => ({ case: 'approvalRequested', value: { requestId, kind } });
    const asked = [ask('push', Kind.PUSH), ask('what', Kind.QUESTION)];
    const message: Payload = { case: 'userMessage', value: { text: 'hello', clientMessageId: 'm', delivery: UserMessage_Delivery.TURN } };
    const resolved: Payload = { case: 'approvalResolved', value: { requestId: 'push', optionId: 'yes', by: 'usr_1' } };
    const expired: Payload = { case: 'approvalResolved', value: { requestId: 'push', expired: true } };
    const look = (...more: Payload[]): unknown[] =>
      only(play(...log(...asked, ...more)), 'approval').map((card) => [card.request.requestId, card.resolved?.optionId, card.closed]);
    expect(look(message)).toEqual([['push', undefined, ''], ['what', undefined, 'message']]);
    expect(look(message, resolved)).toEqual([['push', 'yes', ''], ['what', undefined, 'message']]);
    const late = only(play(...log(...asked, expired, { case: 'turnCompleted', value: {} })), 'approval');
    expect(late.map((card) => [card.resolved?.expired, card.closed])).toEqual([[true, ''], [undefined, 'turn']]);
  });

  it('keeps the last calls, and the settings as they were last changed', () => {
    const calls = Array.from({ length: 25 }, (_, index): Payload => ({ case: 'usage', value: { inputTokens: index, contextUsed: 1, budgetMicros: 9n } }));
    const configured = (steps: number): Payload => ({ case: 'sessionConfigured', value: { budget: { steps } } });
    const { header, cards } = play(...log(configured(3), ...calls, configured(8)));
    expect(header.calls.map((call) => call.usage.inputTokens)).toEqual(Array.from({ length: 20 }, (_, index) => index + 5));
    expect([header.budgetMicros, header.settings?.budget?.steps]).toEqual([9n, 8]);
    expect(cards.map((card) => (card.kind === 'line' ? card.text : ''))).toEqual([
      'Settings: the agent asks as this installation does · budget 3 steps a turn',
      'Settings: the agent asks as this installation does · budget 8 steps a turn',
    ]);
  });

  it('closes a question by its answer, by a message, by the end of the turn', () => {
    const ask = (requestId: string): Payload => ({ case: 'approvalRequested', value: { requestId } });
    const timeline = play(
      ...log(
        ask('a'),
        { case: 'approvalResolved', value: { requestId: 'a', text: 'yes' } },
        ask('b'),
        { case: 'userMessage', value: { text: 'no', clientMessageId: 'm', delivery: UserMessage_Delivery.TURN } },
        ask('c'),
        { case: 'turnCompleted', value: {} },
      ),
    );
    expect(only(timeline, 'approval').map(({ resolved, closed }) => [resolved?.text, closed])).toEqual([
      ['yes', ''],
      [undefined, 'message'],
      [undefined, 'turn'],
    ]);
  });

  it('says closing words once', () => {
    const end = (summary: string): Payload => ({ case: 'turnCompleted', value: { summary } });
    const answer = [started(Channel.MESSAGE), 'i'] as const;
    const said = play(...log(answer, [completed(Channel.MESSAGE, 'Done. '), 'i'], end('Done.')));
    expect(only(said, 'turn')[0]?.summary).toBe('');
    expect(only(play(...log(end('Done.'))), 'turn')[0]?.summary).toBe('Done.');
    // Of a long answer the summary is the beginning.
    const long = play(...log(answer, [completed(Channel.MESSAGE, 'Done. And more.'), 'i'], end('Done.')));
    expect(only(long, 'turn')[0]?.summary).toBe('');
  });

  it('says what was blocked, and what is allowed', () => {
    const call = { host: 'evil.example', port: 443, reason: NetworkBlocked_Reason.NOT_ALLOWED, allowed: ['a.example:443'] };
    const [line] = only(play(...log({ case: 'networkBlocked', value: call })), 'line');
    expect(line?.text).toBe('Blocked: evil.example:443 – not allowed here');
    expect(line?.detail).toContain('`a.example:443`');
    const nameless = { reason: NetworkBlocked_Reason.NOT_CONNECT };
    expect(only(play(...log({ case: 'networkBlocked', value: nameless })), 'line')[0]?.text).toBe('Blocked: A call out of the sandbox – only https goes out');
  });

  it('shows a place in line that moves as one line', () => {
    const waiting = (message: string): Payload => ({ case: 'statusChanged', value: { phase: Phase.QUEUED, message } });
    const timeline = play(
      ...log(
        { case: 'statusChanged', value: { phase: Phase.STARTING_SANDBOX } },
        waiting('Waiting for a sandbox, 2nd in line'),
        waiting('Waiting for a sandbox, 1st in line'),
      ),
    );
    expect(timeline.header.phaseMessage).toBe('Waiting for a sandbox, 1st in line');
    const shown = only(timeline, 'status').map((card) => card.status.message);
    expect(shown).toEqual(['', 'Waiting for a sandbox, 1st in line']);
  });

  it('fills the header from the log', () => {
    const timeline = play(
      ...log(
        { case: 'statusChanged', value: { phase: Phase.QUEUED, detailCode: 'mock' } },
        { case: 'sandboxChanged', value: { sandboxId: 'sbx_1', state: SandboxChanged_State.READY, reason: 'docker', lacks: ['limit of disk'], network: NetworkMode.LIST, allowedHosts: ['a.example:443'] } },
        { case: 'usage', value: { inputTokens: 10, outputTokens: 5, sessionCostMicros: 7n, priceKnown: true } },
        { case: 'usage', value: { inputTokens: 1, cacheReadTokens: 4, sessionCostMicros: 9n, priceKnown: true } },
        { case: 'statusChanged', value: { phase: Phase.RUNNING, phaseMs: 1200n } },
      ),
    );
    const { phase, demo, sandboxId, confinement, lacks, tokens, costMicros } = timeline.header;
    expect({ phase, demo, sandboxId, confinement, lacks, tokens, costMicros }).toEqual({
      phase: Phase.RUNNING,
      demo: true,
      sandboxId: 'sbx_1',
      confinement: 'docker',
      lacks: ['limit of disk'],
      tokens: 20,
      costMicros: 9n,
    });
    expect(timeline.header.network).toEqual({ mode: NetworkMode.LIST, allowed: ['a.example:443'] });
    expect(only(timeline, 'status').map((card) => card.ms)).toEqual([1200, undefined]);
  });

  it('tells what becomes of a sandbox that nobody uses', () => {
    const changed = (state: SandboxChanged_State, more: object = {}): Payload => ({ case: 'sandboxChanged', value: { state, ...more } });
    const sleeps = play(...log(changed(SandboxChanged_State.PAUSED), changed(SandboxChanged_State.RESUMED), changed(SandboxChanged_State.PAUSED)));
    expect(only(sleeps, 'line').map((card) => card.text)).toEqual(['The sandbox sleeps']);
    expect(sleeps.header.sandbox).toBe('asleep');
    const saved = { checkpointId: 'chk_1', checkpointBytes: 2048n, commits: 1, files: 2 };
    const away = play(
      ...log(
        changed(SandboxChanged_State.PAUSED),
        changed(SandboxChanged_State.SAVED, saved),
        changed(SandboxChanged_State.HIBERNATED, { checkpointId: 'chk_1' }),
        changed(SandboxChanged_State.DESTROYED),
        changed(SandboxChanged_State.LOST, { reason: 'its container was removed' }),
        changed(SandboxChanged_State.REBUILT, { workspaceId: 'w', reason: 'docker' }),
        changed(SandboxChanged_State.RESTORED, { commits: 1, files: 2, reason: 'big: too large' }),
      ),
    );
    expect(only(away, 'line').map((card) => card.text)).toEqual([
      'The sandbox sleeps',
      'Saved what was not pushed: 1 commit, 2 changed files (2.0 KiB)',
      'The sandbox was put away; its files are kept',
      'Nobody came back for long: the files of the sandbox were deleted',
      'The sandbox went away: its container was removed',
      'A new sandbox: the files of before are gone',
      'Brought back: 1 commit, 2 changed files. Not brought back: big: too large',
    ]);
    expect(only(away, 'line')[1]?.href).toMatch(/^\/api\/v1\/sessions\/[^/]*\/checkpoints\/chk_1$/);
    expect(away.header.sandbox).toBe('up');
  });

  it('says nothing of a checkpoint with nothing in it', () => {
    const value = { state: SandboxChanged_State.SAVED, checkpointId: 'chk_1' };
    expect(only(play(...log({ case: 'sandboxChanged', value })), 'line')).toEqual([]);
  });
});
