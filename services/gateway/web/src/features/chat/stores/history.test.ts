import { Channel, QueueChanged_Change as Change, StatusChanged_Phase as Phase } from '@gen/lucid/sessions/v1/event_pb';
import type { Event, Frame } from '@gen/lucid/sessions/v1/event_pb';
import { WatchEventsResponseSchema } from '@gen/lucid/sessions/v1/sessions_pb';
import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytes, caughtUpFrame, deltaFrame, event, eventFrame } from '@/testing/frames';
import type { Payload } from '@/testing/frames';
import { needsOlder, prepend } from './history';
import { HistoryLoader } from './history-loader';
import { finalText } from './output';
import { apply, openCursors } from './timeline';
import { firstSeq, newTimeline } from './timeline-model';
import type { Timeline } from './timeline-model';
import { TimelineStore } from './timeline-store';

const status = (phase: Phase): Payload => ({ case: 'statusChanged', value: { phase } });
const title = (text: string): Payload => ({ case: 'titleChanged', value: { title: text } });
const queued = (change: Change, order: string[], text = ''): Payload => ({
  case: 'queueChanged',
  value: { queueItemId: 'm', change, order, text },
});

function windowed(events: readonly Event[], strays: readonly Event[] = [], deltas: readonly Frame[] = []): Timeline {
  const timeline = newTimeline(true);
  const frames = [...strays, ...events].map((one) => eventFrame(one));
  for (const frame of [...frames, ...deltas, caughtUpFrame(events.at(-1)?.seq ?? 0)]) {
    expect(apply(timeline, frame)).not.toBe('watch-again');
  }
  return timeline;
}

/** What a person sees. */
function seen(timeline: Timeline): unknown[] {
  const cards = timeline.cards.filter((card) => !card.hidden).map((card) => {
    if (card.kind === 'text') return [card.id, card.seq, card.channel, card.text];
    if (card.kind === 'command') return [card.id, card.started?.command, card.completed === undefined ? card.live.text : finalText(card.completed)];
    return [card.id, card.seq];
  });
  return [...cards, timeline.queue, timeline.header.title, timeline.header.phase];
}

describe('a window on the log', () => {
  it('begins in the midst, and goes on without a gap', () => {
    const timeline = windowed([event(51, title('a')), event(52, title('b'))]);
    expect([firstSeq(timeline), timeline.lastSeq, timeline.header.title]).toEqual([51, 52, 'b']);
    expect(apply(timeline, eventFrame(event(54, title('d'))))).toBe('watch-again');
    expect(apply(timeline, eventFrame(event(53, title('c'))))).toBe('applied');
  });

  it('knows open items that are older than it, and takes their bytes', () => {
    const begun = event(10, { case: 'commandStarted', value: { command: 'make' } }, 'c');
    const timeline = windowed([event(51, title('a'))], [begun], [deltaFrame('c', 0, bytes('out'), 51)]);
    expect(firstSeq(timeline)).toBe(51);
    expect(openCursors(timeline)).toMatchObject([{ itemId: 'c', channel: Channel.STDOUT, have: 3 }]);
    expect(prepend(timeline, [event(49, title('x')), event(50, title('y'))])).toBe(true);
    expect(apply(timeline, deltaFrame('c', 3, bytes('put'), 51))).toBe('applied');
    expect(seen(timeline)[0]).toEqual(['item:c', 'make', 'output']);
    const rest = [begun, ...Array.from({ length: 38 }, (_, index) => event(index + 11, title('z')))];
    expect(prepend(timeline, rest)).toBe(true);
    expect([firstSeq(timeline), timeline.strays.length, timeline.cards.length]).toEqual([10, 0, 1]);
  });

  it('shows no half of a command until its beginning is there', () => {
    const begun = event(1, { case: 'commandStarted', value: { command: 'make' } }, 'c');
    const done = event(2, { case: 'commandCompleted', value: { head: bytes('ok'), totalBytes: 2 } }, 'c');
    const timeline = windowed([done]);
    expect([timeline.cards.map((card) => card.hidden), timeline.commands.length]).toEqual([[true], 0]);
    expect(prepend(timeline, [begun])).toBe(true);
    expect(seen(timeline)[0]).toEqual(['item:c', 'make', 'ok']);
    expect(timeline.commands).toHaveLength(1);
  });

  it('takes only what fits', () => {
    const timeline = windowed([event(5, title('a'))]);
    expect(prepend(timeline, [])).toBe(false);
    expect(prepend(timeline, [event(2, title('x')), event(3, title('y'))])).toBe(false);
    expect(prepend(timeline, [event(2, title('x')), event(4, title('y'))])).toBe(false);
    const other = event(4, title('y'));
    other.epoch = 2;
    expect(prepend(timeline, [other])).toBe(false);
    expect(prepend(timeline, [event(4, title('x')), event(5, title('again'))])).toBe(true);
    expect([firstSeq(timeline), timeline.header.title]).toEqual([4, 'a']);
  });

  it('ends at a reset and begins anew', () => {
    const timeline = windowed([event(5, title('a'))]);
    const other = event(9, title('b'));
    other.epoch = 2;
    expect(apply(timeline, eventFrame(other))).toBe('watch-again');
    expect([timeline.opening, timeline.events.length, firstSeq(timeline)]).toEqual([true, 0, 0]);
  });

  it('is, page by page, the same as the whole log', () => {
    const payload = fc.oneof(
      fc.constant<Payload>(title('t')),
      fc.constantFrom<Payload>(status(Phase.RUNNING), status(Phase.COMPLETED)),
      fc.constantFrom<Payload>(queued(Change.ADDED, ['m'], 'words'), queued(Change.TAKEN, []), queued(Change.MOVED, ['m'])),
      fc.constant<Payload>({ case: 'textStarted', value: { channel: Channel.THOUGHT } }),
      fc.constant<Payload>({ case: 'textCompleted', value: { channel: Channel.MESSAGE, text: 'said' } }),
      fc.constant<Payload>({ case: 'planUpdated', value: { steps: [{ id: '1', text: 'x' }] } }),
      fc.constant<Payload>({ case: 'userMessage', value: { clientMessageId: 'm', text: 'words' } }),
      fc.constant<Payload>({ case: 'commandStarted', value: { command: 'make' } }),
      fc.constant<Payload>({ case: 'commandCompleted', value: { head: bytes('ok'), totalBytes: 2 } }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(payload, fc.nat(2)), { minLength: 1, maxLength: 40 }), fc.nat(39), fc.integer({ min: 1, max: 9 }), (script, cut, page) => {
        const events = script.map(([one, item], index) => event(index + 1, one, `${one.case === 'textStarted' || one.case === 'textCompleted' ? 't' : 'c'}${item}`));
        const first = Math.min(cut, events.length - 1);
        const timeline = windowed(events.slice(first));
        while (firstSeq(timeline) > 1) {
          const before = firstSeq(timeline);
          expect(prepend(timeline, events.slice(Math.max(0, before - 1 - page), before - 1))).toBe(true);
        }
        expect(seen(timeline)).toEqual(seen(windowed(events)));
      }),
      { numRuns: 500 },
    );
  });
});

describe('what must be loaded to know what stands now', () => {
  it('is nothing where the window tells it, or where nothing can wait', () => {
    const turn: Payload = { case: 'turnStarted', value: {} };
    expect(needsOlder(windowed([event(8, title('a')), event(9, status(Phase.COMPLETED))]))).toBe(false);
    expect(needsOlder(windowed([event(7, queued(Change.TAKEN, [])), event(8, turn), event(9, status(Phase.RUNNING))]))).toBe(false);
    expect(needsOlder(windowed([event(1, status(Phase.RUNNING))]))).toBe(false);
  });

  it('is the phase, the queue with its words, the turn, the question', () => {
    const turn: Payload = { case: 'turnStarted', value: {} };
    expect(needsOlder(windowed([event(9, title('a'))]))).toBe(true);
    expect(needsOlder(windowed([event(8, turn), event(9, status(Phase.RUNNING))]))).toBe(true);
    expect(needsOlder(windowed([event(7, queued(Change.MOVED, ['m'])), event(8, turn), event(9, status(Phase.RUNNING))]))).toBe(true);
    expect(needsOlder(windowed([event(8, queued(Change.TAKEN, [])), event(9, status(Phase.RUNNING))]))).toBe(true);
    expect(needsOlder(windowed([event(7, queued(Change.TAKEN, [])), event(8, turn), event(9, status(Phase.WAITING_APPROVAL))]))).toBe(true);
  });
});

describe('loading', () => {
  const log = Array.from({ length: 2500 }, (_, index) => event(index + 1, index === 3 ? status(Phase.RUNNING) : title(`t${index}`)));

  function follow(fetch: (before: number, limit: number) => Promise<Event[]>): { store: TimelineStore; loader: HistoryLoader; asked: [number, number][] } {
    const store = new TimelineStore('ses_1', (callback) => callback());
    const asked: [number, number][] = [];
    const loader = new HistoryLoader(store, (_id, before, limit) => {
      asked.push([before, limit]);
      return fetch(before, limit);
    });
    loader.subscribe(() => undefined);
    return { store, loader, asked };
  }
  const page = (before: number, limit: number): Promise<Event[]> => Promise.resolve(log.slice(Math.max(0, before - 1 - limit), before - 1));
  const opened = (store: TimelineStore, from: number, ...more: Event[]): void => {
    const frames = [...log.slice(from - 1), ...more].map((one) => eventFrame(one));
    store.receive(create(WatchEventsResponseSchema, { frames: [...frames, caughtUpFrame(log.length + more.length)] }));
  };

  it('asks for the last fifty first', () => {
    const { store } = follow(page);
    expect(store.cursor()).toMatchObject({ afterSeq: 0, lastN: 50 });
    opened(store, 2451);
    expect(store.cursor()).toMatchObject({ afterSeq: 2500, lastN: 0 });
  });

  it('goes back by itself until the state is known, and no further', async () => {
    const { store, asked } = follow(page);
    opened(store, 2451);
    await new Promise((resolve) => setTimeout(resolve));
    expect(asked).toEqual([[2451, 1000], [1451, 1000], [451, 1000]]);
    expect([firstSeq(store.timeline), store.timeline.header.phase]).toEqual([1, Phase.RUNNING]);
  });

  it('loads a page when asked, one at a time, and says why it could not', async () => {
    let answer = page;
    const { store, loader, asked } = follow((before, limit) => answer(before, limit));
    opened(store, 2451, event(2501, status(Phase.COMPLETED)));
    expect(asked).toEqual([]);
    loader.load();
    loader.load();
    await Promise.resolve();
    expect(asked).toEqual([[2451, 200]]);
    answer = () => Promise.reject(new Error('away'));
    await new Promise((resolve) => setTimeout(resolve));
    loader.load();
    await new Promise((resolve) => setTimeout(resolve));
    expect(loader.state()).toEqual({ busy: false, error: 'away' });
    expect(firstSeq(store.timeline)).toBe(2251);
  });
});
