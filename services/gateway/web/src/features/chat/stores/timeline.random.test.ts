import { Channel } from '@gen/lucid/sessions/v1/event_pb';
import type { Event, Frame, ItemCursor } from '@gen/lucid/sessions/v1/event_pb';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytes, caughtUpFrame, deltaFrame, event, eventFrame } from '@/testing/frames';
import type { Card } from './cards';
import { finalText } from './output';
import { apply, openCursors } from './timeline';
import { newTimeline } from './timeline-model';
import type { Timeline } from './timeline-model';

type Step =
  | { kind: 'start' | 'finish'; item: number; text?: never }
  | { kind: 'write'; item: number; text: string }
  | { kind: 'note' };

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom('start' as const, 'finish' as const), item: fc.nat(2) }),
    fc.record({ kind: fc.constant('write' as const), item: fc.nat(2), text: fc.string({ unit: 'grapheme', maxLength: 12 }) }),
    fc.record({ kind: fc.constant('note' as const) }),
  ),
  { maxLength: 60 },
);

/** A server that does what events.md §4 says, with its log, its open items and what it has sent live. */
class Server {
  readonly events: Event[] = [];
  readonly open = new Map<string, { channel: Channel; data: Uint8Array; command: boolean }>();
  private generation = [0, 0, 0];

  step(step: Step): Frame[] {
    if (step.kind === 'note') return [this.append({ case: 'titleChanged', value: { title: `t${this.events.length}` } }, '')];
    const id = `itm_${step.item}_${this.generation[step.item] ?? 0}`;
    const open = this.open.get(id);
    if (step.kind === 'start') return open === undefined ? [this.start(id, step.item)] : [];
    if (open === undefined) return [];
    if (step.kind === 'finish') return [this.finish(id, step.item)];
    const data = bytes(step.text ?? '');
    const offset = open.data.length;
    open.data = new Uint8Array([...open.data, ...data]);
    return data.length === 0 ? [] : [deltaFrame(id, offset, data, this.events.length, open.channel)];
  }

  /** History after the cursor, bytes of open items, CaughtUp; the bytes overlap by `overlap` with what the client has. */
  resume(afterSeq: number, items: readonly ItemCursor[], overlap: number): Frame[] {
    const frames = this.events.slice(afterSeq).map((one) => eventFrame(one));
    for (const [id, { channel, data }] of this.open) {
      const have = items.find((item) => item.itemId === id && item.channel === channel)?.have ?? 0;
      const offset = Math.max(0, have - overlap);
      frames.push(deltaFrame(id, offset, data.subarray(offset), this.events.length, channel));
    }
    return [...frames, caughtUpFrame(this.events.length)];
  }

  private start(id: string, item: number): Frame {
    const command = item === 0;
    const channel = command ? Channel.STDOUT : Channel.THOUGHT;
    this.open.set(id, { channel, data: new Uint8Array(), command });
    return this.append(command ? { case: 'commandStarted', value: { command: 'x' } } : { case: 'textStarted', value: { channel } }, id);
  }

  private finish(id: string, item: number): Frame {
    const { channel, data, command } = this.open.get(id) ?? { channel: Channel.THOUGHT, data: new Uint8Array(), command: false };
    this.open.delete(id);
    this.generation[item] = (this.generation[item] ?? 0) + 1;
    if (command) return this.append({ case: 'commandCompleted', value: { head: data, totalBytes: data.length } }, id);
    return this.append({ case: 'textCompleted', value: { channel, text: new TextDecoder().decode(data) } }, id);
  }

  private append(payload: Parameters<typeof event>[1], itemId: string): Frame {
    const stored = event(this.events.length + 1, payload, itemId);
    this.events.push(stored);
    return eventFrame(stored);
  }
}

/** What a person sees of each card. */
function seen(timeline: Timeline): unknown[] {
  return timeline.cards.map((card: Card) => {
    if (card.kind === 'text') return [card.id, card.seq, card.text];
    if (card.kind === 'command') return [card.id, card.seq, card.completed === undefined ? card.live.text : finalText(card.completed)];
    return [card.id, card.seq];
  });
}

describe('a watcher that is cut, robbed and told things twice', () => {
  it('ends with the same page as one that saw the log from its beginning', () => {
    fc.assert(
      fc.property(steps, fc.array(fc.nat(9), { minLength: 60, maxLength: 60 }), fc.nat(5), (script, fates, overlap) => {
        const server = new Server();
        const timeline = newTimeline();
        const resume = (): void => {
          for (const frame of server.resume(timeline.lastSeq, openCursors(timeline), overlap)) {
            expect(apply(timeline, frame)).not.toBe('watch-again');
          }
        };
        resume();
        script.forEach((step, index) => {
          const fate = fates[index] ?? 9;
          for (const frame of server.step(step)) {
            if (fate === 0) continue; // lost on the way, unnoticed until something shows it
            if (apply(timeline, frame) === 'watch-again') resume();
            if (fate === 1) apply(timeline, frame); // told twice
          }
          if (fate === 2) resume(); // cut, and watched again
        });
        resume();
        const fresh = newTimeline();
        for (const frame of server.resume(0, [], 0)) expect(apply(fresh, frame)).not.toBe('watch-again');
        expect(seen(timeline)).toEqual(seen(fresh));
        expect(timeline.lastSeq).toBe(server.events.length);
      }),
      { numRuns: 2000 },
    );
  });

  it('never shows text that the log does not begin with', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 8 }), { maxLength: 20 }), fc.array(fc.nat(30)), (pieces, cuts) => {
        const whole = bytes(pieces.join(''));
        const timeline = newTimeline();
        apply(timeline, eventFrame(event(1, { case: 'textStarted', value: { channel: Channel.THOUGHT } }, 'i')));
        for (const cut of cuts) {
          const from = Math.min(cut, whole.length);
          apply(timeline, deltaFrame('i', from, whole.subarray(from, from + 7), 1, Channel.THOUGHT));
          const card = timeline.cards[0];
          expect(card?.kind === 'text' && new TextDecoder().decode(whole).startsWith(card.text)).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
