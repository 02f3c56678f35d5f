import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Channel, DeltaSchema, EventSchema, FrameSchema, Source, StatusChanged_Phase } from '@gen/lucid/sessions/v1/event_pb';
import type { Event, Frame, ItemCursor } from '@gen/lucid/sessions/v1/event_pb';

type Payload = NonNullable<MessageInitShape<typeof EventSchema>['payload']>;

interface Open {
  readonly channel: Channel;
  bytes: Buffer;
}

/** A log as the sessions service keeps it: gapless events, open items with their bytes, watchers. */
export class MockLog {
  readonly events: Event[] = [];
  readonly open = new Map<string, Open>();
  private readonly watchers = new Set<(frame: Frame) => void>();
  private turn = 0;

  constructor(readonly sessionId: string) {}

  /** The last phase that was told. */
  get phase(): StatusChanged_Phase {
    const last = this.events.findLast((event) => event.payload.case === 'statusChanged');
    return last?.payload.case === 'statusChanged' ? last.payload.value.phase : StatusChanged_Phase.UNSPECIFIED;
  }

  append(payload: Payload, itemId = '', source = Source.AGENT, parentItemId = ''): Event {
    if (payload.case === 'turnStarted') this.turn += 1;
    const seq = this.events.length + 1;
    const event = create(EventSchema, {
      sessionId: this.sessionId,
      epoch: 1,
      seq,
      eventId: `evt${seq}`,
      time: timestampFromDate(new Date()),
      turnId: `trn_${Math.max(1, this.turn)}`,
      itemId,
      parentItemId,
      source,
      payload,
    });
    this.events.push(event);
    this.send(create(FrameSchema, { frame: { case: 'event', value: event } }));
    return event;
  }

  begin(itemId: string, channel: Channel): void {
    this.open.set(itemId, { channel, bytes: Buffer.alloc(0) });
  }

  delta(itemId: string, text: string): void {
    const item = this.open.get(itemId);
    if (item === undefined) return;
    const data = Buffer.from(text);
    const value = { itemId, channel: item.channel, offset: item.bytes.length, data, afterSeq: this.events.length };
    item.bytes = Buffer.concat([item.bytes, data]);
    this.send(create(FrameSchema, { frame: { case: 'delta', value: create(DeltaSchema, value) } }));
  }

  /** Everything after the cursor, what is open, then live: in one step, as events.md §4 asks. */
  watch(afterSeq: number, lastN: number, items: readonly ItemCursor[], send: (frame: Frame) => void): () => void {
    const from = afterSeq === 0 && lastN > 0 ? Math.max(0, this.events.length - lastN) : afterSeq;
    for (const event of this.events.slice(from)) send(create(FrameSchema, { frame: { case: 'event', value: event } }));
    for (const [itemId, { channel, bytes }] of this.open) {
      const offset = items.find((item) => item.itemId === itemId && item.channel === channel)?.have ?? 0;
      const value = { itemId, channel, offset, data: bytes.subarray(offset), afterSeq: this.events.length };
      send(create(FrameSchema, { frame: { case: 'delta', value } }));
    }
    send(create(FrameSchema, { frame: { case: 'caughtUp', value: { seq: this.events.length, firstAvailableSeq: 1 } } }));
    this.watchers.add(send);
    return () => this.watchers.delete(send);
  }

  private send(frame: Frame): void {
    for (const watcher of this.watchers) watcher(frame);
  }
}
