import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Channel, DeltaSchema, EventSchema, FrameSchema } from '@gen/lucid/sessions/v1/event_pb';
import type { Event, Frame } from '@gen/lucid/sessions/v1/event_pb';

export type Payload = NonNullable<MessageInitShape<typeof EventSchema>['payload']>;

const encoder = new TextEncoder();

/** UTF-8 of a text. */
export function bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

/** An event of epoch 1. */
export function event(seq: number, payload: Payload, itemId = '', turnId = 'trn_1', parentItemId = ''): Event {
  return create(EventSchema, { sessionId: 'ses_1', epoch: 1, seq, eventId: `evt${seq}`, turnId, itemId, parentItemId, payload });
}

/** A frame around an event. */
export function eventFrame(value: Event): Frame {
  return create(FrameSchema, { frame: { case: 'event', value } });
}

/** A frame with bytes of an open item. */
export function deltaFrame(itemId: string, offset: number, data: Uint8Array, afterSeq: number, channel = Channel.STDOUT): Frame {
  return create(FrameSchema, { frame: { case: 'delta', value: create(DeltaSchema, { itemId, channel, offset, data, afterSeq }) } });
}

/** History is through. */
export function caughtUpFrame(seq: number): Frame {
  return create(FrameSchema, { frame: { case: 'caughtUp', value: { seq, firstAvailableSeq: 1 } } });
}
