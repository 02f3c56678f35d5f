import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { StreamRequestSchema, StreamResponseSchema } from '@gen/lucid/gateway/v1/accounts_pb';
import type { StreamRequest } from '@gen/lucid/gateway/v1/accounts_pb';
import { WatchEventsRequestSchema, WatchEventsResponseSchema } from '@gen/lucid/sessions/v1/sessions_pb';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StreamClient } from './stream';
import type { Watch } from './stream';

/** The browser's end of a socket, with the server's side as methods. */
class Wire {
  readyState: number = WebSocket.CONNECTING;
  binaryType = '';
  readonly sent: StreamRequest[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  send(data: Uint8Array): void {
    this.sent.push(fromBinary(StreamRequestSchema, data));
  }

  close(): void {
    this.readyState = WebSocket.CLOSED;
  }

  open(): void {
    this.readyState = WebSocket.OPEN;
    this.onopen?.();
  }

  drop(code = 1006): void {
    this.readyState = WebSocket.CLOSED;
    this.onclose?.({ code });
  }

  say(response: MessageInitShape<typeof StreamResponseSchema>['response']): void {
    if (response === undefined) return;
    const data = toBinary(StreamResponseSchema, create(StreamResponseSchema, { response }));
    this.onmessage?.({ data: data.slice().buffer });
  }

  frames(streamId: number): void {
    const response = toBinary(WatchEventsResponseSchema, create(WatchEventsResponseSchema, {}));
    this.say({ case: 'frames', value: { streamId, response } });
  }

  get watched(): [number, number][] {
    return this.sent.flatMap(({ request }) =>
      request.case === 'watch' ? [[request.value.streamId, request.value.watch?.afterSeq ?? 0] as [number, number]] : [],
    );
  }

  get cases(): (string | undefined)[] {
    return this.sent.map(({ request }) => request.case);
  }
}

class Viewer implements Watch {
  seq = 0;
  whole = true;
  received = 0;
  over = '';
  cursor = () => create(WatchEventsRequestSchema, { sessionId: 'ses_1', afterSeq: this.seq });
  receive = () => {
    this.received += 1;
    return this.whole;
  };
  ended = (reason: string) => {
    this.over = reason;
  };
}

let wires: Wire[] = [];
const last = (): Wire => wires[wires.length - 1] ?? new Wire();

function client(): StreamClient {
  return new StreamClient({
    open: () => {
      const wire = new Wire();
      wires.push(wire);
      return wire as unknown as WebSocket;
    },
    setTimeout: (callback, ms) => setTimeout(callback, ms) as unknown as number,
    clearTimeout: (id) => clearTimeout(id),
  });
}

beforeEach(() => {
  wires = [];
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

describe('one socket for all watches', () => {
  it('says live only once something of a watch was heard', () => {
    const stream = client();
    stream.watch(new Viewer());
    last().open();
    expect(stream.state()).toBe('connecting');
    last().frames(1);
    expect(stream.state()).toBe('live');
  });

  it('multiplexes, and tells the watches apart', () => {
    const stream = client();
    const [a, b] = [new Viewer(), new Viewer()];
    stream.watch(a);
    stream.watch(b);
    last().open();
    expect(wires).toHaveLength(1);
    expect(last().watched.map(([id]) => id)).toEqual([1, 2]);
    last().frames(2);
    expect([a.received, b.received]).toEqual([0, 1]);
  });

  it('comes back after a cut, from the cursor of that moment', () => {
    const stream = client();
    const viewer = new Viewer();
    stream.watch(viewer);
    last().open();
    last().frames(1);
    viewer.seq = 7;
    last().drop();
    expect(stream.state()).toBe('reconnecting');
    vi.advanceTimersByTime(250);
    last().open();
    expect(wires).toHaveLength(2);
    expect(last().watched).toEqual([[2, 7]]);
    last().frames(1); // of the watch before the cut
    expect(viewer.received).toBe(1);
  });

  it('watches again where something is missing, and never under the same number', () => {
    const stream = client();
    const viewer = new Viewer();
    stream.watch(viewer);
    last().open();
    viewer.whole = false;
    last().frames(1);
    last().frames(1); // still on its way when the page gave up
    expect(viewer.received).toBe(1);
    vi.advanceTimersByTime(250);
    expect(last().cases).toEqual(['watch', 'unwatch', 'watch']);
    expect(last().watched[1]?.[0]).toBe(2);
  });

  it('watches again after any end but OK, and stops where there is nothing to watch', () => {
    const stream = client();
    const viewer = new Viewer();
    stream.watch(viewer);
    last().open();
    last().say({ case: 'end', value: { streamId: 1, code: 8, reason: 'RESYNC' } });
    vi.advanceTimersByTime(250);
    expect(last().watched).toHaveLength(2);
    last().say({ case: 'end', value: { streamId: 2, code: 5, reason: 'SESSION_NOT_FOUND' } });
    vi.advanceTimersByTime(5_000);
    expect(viewer.over).toBe('SESSION_NOT_FOUND');
    expect(last().watched).toHaveLength(2);
  });

  it('does not come back where nobody is signed in', () => {
    const stream = client();
    const viewer = new Viewer();
    stream.watch(viewer);
    last().open();
    last().drop(4010);
    vi.advanceTimersByTime(60_000);
    expect(stream.state()).toBe('signed-out');
    expect(viewer.over).toBe('UNAUTHENTICATED');
    expect(wires).toHaveLength(1);
  });

  it('gives a silent socket up, and one that never opens', () => {
    const stream = client();
    stream.watch(new Viewer());
    last().open();
    last().frames(1);
    vi.advanceTimersByTime(10_000);
    expect(last().cases).toEqual(['watch', 'ping']);
    last().say({ case: 'pong', value: {} });
    vi.advanceTimersByTime(19_000);
    expect(stream.state()).toBe('live');
    vi.advanceTimersByTime(1_500);
    expect(stream.state()).toBe('reconnecting');
    vi.advanceTimersByTime(250);
    expect(wires).toHaveLength(2);
    vi.advanceTimersByTime(20_500); // the second never opens
    expect(wires).toHaveLength(3);
  });

  it('gives a socket up that speaks nonsense', () => {
    const stream = client();
    const noise = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    stream.watch(new Viewer());
    last().open();
    last().onmessage?.({ data: new Uint8Array([255, 255, 255]).buffer });
    expect(stream.state()).toBe('reconnecting');
    expect(noise).toHaveBeenCalledOnce();
    noise.mockRestore();
  });

  it('waits longer from failure to failure, and begins small after a success', () => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const stream = client();
    stream.watch(new Viewer());
    const opened = [250, 500, 1000, 2000].map((ms) => {
      last().drop();
      vi.advanceTimersByTime(ms - 1);
      const before = wires.length;
      vi.advanceTimersByTime(1);
      return wires.length - before;
    });
    expect(opened).toEqual([1, 1, 1, 1]);
    last().open();
    last().frames(1);
    last().drop();
    vi.advanceTimersByTime(250);
    expect(wires).toHaveLength(6);
    vi.restoreAllMocks();
  });

  it('keeps an unused socket for a while and closes it then', () => {
    const stream = client();
    const end = stream.watch(new Viewer());
    last().open();
    end();
    expect(last().cases).toEqual(['watch', 'unwatch']);
    vi.advanceTimersByTime(9_000);
    stream.watch(new Viewer())();
    expect(wires).toHaveLength(1);
    vi.advanceTimersByTime(10_500);
    expect(last().readyState).toBe(WebSocket.CLOSED);
    stream.watch(new Viewer());
    expect(wires).toHaveLength(2);
  });
});
