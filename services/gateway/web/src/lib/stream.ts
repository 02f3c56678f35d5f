import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { StreamRequestSchema, StreamResponseSchema } from '@gen/lucid/gateway/v1/accounts_pb';
import type { StreamResponse_End } from '@gen/lucid/gateway/v1/accounts_pb';
import { WatchEventsResponseSchema } from '@gen/lucid/sessions/v1/sessions_pb';
import type { WatchEventsRequest, WatchEventsResponse } from '@gen/lucid/sessions/v1/sessions_pb';
import { Backoff } from './backoff';

/** What is known of the way to the server: never `live` unless something was heard lately. */
export type ConnectionState = 'connecting' | 'live' | 'reconnecting' | 'signed-out';

/** One followed session. */
export interface Watch {
  /** The cursor to begin from: what is on the page at this moment. */
  cursor(): WatchEventsRequest;
  /** Takes frames in order; false means that something is missing and the watch must begin again. */
  receive(response: WatchEventsResponse): boolean;
  /** The watch is over for good, e.g. SESSION_NOT_FOUND. */
  ended(reason: string, message: string): void;
}

/** The parts of a browser that the stream stands on. */
export interface StreamEnvironment {
  open(): WebSocket;
  setTimeout(callback: () => void, ms: number): number;
  clearTimeout(id: number): void;
}

interface Entry {
  readonly watch: Watch;
  streamId: number;
  readonly backoff: Backoff;
  retry: number | undefined;
}

const FINAL_REASONS = new Set(['SESSION_NOT_FOUND', 'UNAUTHENTICATED']);
const CLOSE_SIGNED_OUT = 4010;
const OK = 0;
/** Silence after which a Ping asks for a sign of life, and after which the socket is given up, milliseconds. */
const PING_AFTER = 10_000;
const DEAD_AFTER = 20_000;
/** So long an unused socket is kept, for the next session that is opened, milliseconds. */
const LINGER = 10_000;

/** One socket for all watches of the tab: reconnects by itself and resumes every watch from its own cursor. */
export class StreamClient {
  private socket: WebSocket | undefined;
  private readonly entries = new Map<Watch, Entry>();
  private readonly listeners = new Set<() => void>();
  private readonly backoff = new Backoff();
  private nextStreamId = 1;
  private timer: number | undefined;
  private silence: number | undefined;
  private current: ConnectionState = 'connecting';

  constructor(private readonly environment: StreamEnvironment) {}

  /** How the connection is right now. */
  state = (): ConnectionState => this.current;

  /** Calls back at every change of the state; gives the way to end that. */
  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Follows a session until the returned function is called. */
  watch(watch: Watch): () => void {
    const entry: Entry = { watch, streamId: 0, backoff: new Backoff(), retry: undefined };
    this.entries.set(watch, entry);
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.heard();
      this.begin(entry);
    } else this.connect();
    return () => this.unwatch(entry);
  }

  /** Tries at once instead of waiting: the network is back, the tab is shown again, a person has signed in. */
  wake(): void {
    if (this.socket !== undefined || this.entries.size === 0) return;
    this.backoff.reset();
    this.connect();
  }

  private unwatch(entry: Entry): void {
    this.entries.delete(entry.watch);
    this.clearRetry(entry);
    if (entry.streamId !== 0) this.send({ case: 'unwatch', value: { streamId: entry.streamId } });
    if (this.entries.size === 0) this.listen(LINGER, () => this.close());
  }

  private connect(): void {
    if (this.socket !== undefined) return;
    if (this.timer !== undefined) this.environment.clearTimeout(this.timer);
    this.timer = undefined;
    const socket = this.environment.open();
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    socket.onopen = () => {
      if (this.socket === socket) this.opened();
    };
    socket.onmessage = (message: MessageEvent<unknown>) => {
      if (this.socket === socket) this.take(message.data);
    };
    socket.onclose = (event: CloseEvent) => {
      if (this.socket === socket) this.lost(event.code);
    };
    this.listen(DEAD_AFTER, () => this.giveUp());
  }

  private opened(): void {
    this.heard();
    for (const entry of this.entries.values()) this.begin(entry);
  }

  private begin(entry: Entry): void {
    this.clearRetry(entry);
    entry.streamId = this.nextStreamId;
    this.nextStreamId += 1;
    this.send({ case: 'watch', value: { streamId: entry.streamId, watch: entry.watch.cursor() } });
  }

  /** A message that cannot be read means that the two sides have lost each other. */
  private take(data: unknown): void {
    try {
      if (data instanceof ArrayBuffer) this.received(new Uint8Array(data));
    } catch (error) {
      console.error('unreadable stream message', error);
      this.giveUp();
    }
  }

  private received(bytes: Uint8Array): void {
    this.heard();
    const { response } = fromBinary(StreamResponseSchema, bytes);
    if (response.case === 'frames') {
      const entry = this.entryOf(response.value.streamId);
      if (entry !== undefined) this.deliver(entry, response.value.response);
    } else if (response.case === 'end') {
      this.endedBy(response.value);
    }
  }

  private deliver(entry: Entry, bytes: Uint8Array): void {
    const response = fromBinary(WatchEventsResponseSchema, bytes);
    this.become('live');
    this.backoff.reset();
    if (entry.watch.receive(response)) {
      entry.backoff.reset();
      return;
    }
    this.send({ case: 'unwatch', value: { streamId: entry.streamId } });
    this.beginLater(entry);
  }

  private endedBy(end: StreamResponse_End): void {
    const entry = this.entryOf(end.streamId);
    if (entry === undefined) return;
    if (FINAL_REASONS.has(end.reason)) {
      entry.streamId = 0;
      if (end.reason === 'UNAUTHENTICATED') this.become('signed-out');
      entry.watch.ended(end.reason, end.message);
    } else if (end.code !== OK) {
      this.beginLater(entry);
    }
  }

  private beginLater(entry: Entry): void {
    entry.streamId = 0;
    this.clearRetry(entry);
    entry.retry = this.environment.setTimeout(() => {
      if (this.socket?.readyState === WebSocket.OPEN) this.begin(entry);
    }, entry.backoff.next());
  }

  private lost(code: number): void {
    this.forgetSocket();
    for (const entry of this.entries.values()) {
      entry.streamId = 0;
      this.clearRetry(entry);
    }
    if (code === CLOSE_SIGNED_OUT) {
      this.become('signed-out');
      for (const entry of this.entries.values()) entry.watch.ended('UNAUTHENTICATED', 'You are not signed in.');
      return;
    }
    if (this.entries.size === 0) return;
    this.become('reconnecting');
    this.timer = this.environment.setTimeout(() => this.connect(), this.backoff.next());
  }

  /** Something was heard: the next silence is counted from now. */
  private heard(): void {
    if (this.entries.size === 0) return;
    this.listen(PING_AFTER, () => {
      this.send({ case: 'ping', value: {} });
      this.listen(DEAD_AFTER - PING_AFTER, () => this.giveUp());
    });
  }

  private listen(ms: number, callback: () => void): void {
    if (this.silence !== undefined) this.environment.clearTimeout(this.silence);
    this.silence = this.environment.setTimeout(callback, ms);
  }

  /** Nothing comes through any more; a close handshake would only wait for the dead peer. */
  private giveUp(): void {
    const socket = this.socket;
    this.lost(0);
    socket?.close();
  }

  private close(): void {
    if (this.entries.size > 0) return;
    const socket = this.socket;
    this.forgetSocket();
    if (this.timer !== undefined) this.environment.clearTimeout(this.timer);
    this.timer = undefined;
    this.become('connecting');
    socket?.close();
  }

  private forgetSocket(): void {
    this.socket = undefined;
    if (this.silence !== undefined) this.environment.clearTimeout(this.silence);
    this.silence = undefined;
  }

  private clearRetry(entry: Entry): void {
    if (entry.retry !== undefined) this.environment.clearTimeout(entry.retry);
    entry.retry = undefined;
  }

  private entryOf(streamId: number): Entry | undefined {
    if (streamId === 0) return undefined;
    for (const entry of this.entries.values()) if (entry.streamId === streamId) return entry;
    return undefined;
  }

  private send(request: Request): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const message = create(StreamRequestSchema, { request });
    this.socket.send(toBinary(StreamRequestSchema, message));
  }

  private become(state: ConnectionState): void {
    if (this.current === state) return;
    this.current = state;
    for (const listener of this.listeners) listener();
  }
}

type Request = NonNullable<MessageInitShape<typeof StreamRequestSchema>['request']>;

/** The stream of this tab. */
export function browserStream(): StreamClient {
  const scheme = window.location.protocol === 'https:' ? 'wss' : 'ws';
  const client = new StreamClient({
    open: () => new WebSocket(`${scheme}://${window.location.host}/api/v1/stream`),
    setTimeout: (callback, ms) => window.setTimeout(callback, ms),
    clearTimeout: (id) => window.clearTimeout(id),
  });
  window.addEventListener('online', () => client.wake());
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') client.wake();
  });
  return client;
}
