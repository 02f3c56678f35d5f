import { create } from '@bufbuild/protobuf';
import { WatchEventsRequestSchema } from '@gen/lucid/sessions/v1/sessions_pb';
import type { WatchEventsRequest, WatchEventsResponse } from '@gen/lucid/sessions/v1/sessions_pb';
import type { Event } from '@gen/lucid/sessions/v1/event_pb';
import type { Card } from './cards';
import { prepend } from './history';
import { apply, openCursors } from './timeline';
import { newTimeline, takeChanges } from './timeline-model';
import type { Timeline } from './timeline-model';

/** The parts of a timeline that a view can listen to, besides single cards. */
export type Topic = 'list' | 'header' | 'files' | 'cards';

/** Events of the first visit; older ones are loaded when they are wanted. */
export const FIRST_EVENTS = 50;

type Schedule = (callback: () => void) => void;

/** A timeline with listeners: frames are applied at once, views are told once per painted frame. */
export class TimelineStore {
  readonly timeline: Timeline = newTimeline(true);
  private readonly topics = new Map<Topic, { version: number; listeners: Set<() => void> }>();
  private readonly cards = new Map<string, Set<() => void>>();
  private scheduled = false;
  /** Why the watch is over for good; empty while it goes on. */
  endedBy = '';

  constructor(
    readonly sessionId: string,
    private readonly schedule: Schedule = nextFrame,
  ) {}

  /** Applies frames in order; false means that something is missing. */
  receive(response: WatchEventsResponse): boolean {
    let whole = true;
    for (const frame of response.frames) {
      if (apply(this.timeline, frame) === 'watch-again') {
        whole = false;
        break;
      }
    }
    this.notifySoon();
    return whole;
  }

  /** The cursor for the next watch. */
  cursor(): WatchEventsRequest {
    const { epoch, lastSeq } = this.timeline;
    const { sessionId } = this;
    const lastN = lastSeq === 0 ? FIRST_EVENTS : 0;
    return create(WatchEventsRequestSchema, { sessionId, epoch, afterSeq: lastSeq, items: openCursors(this.timeline), lastN });
  }

  /** Adds a page of older events; false if it does not fit (any more). */
  addOlder(events: readonly Event[]): boolean {
    const fits = prepend(this.timeline, events);
    if (fits) this.notifySoon();
    return fits;
  }

  /** The watch is over for good. */
  end(reason: string): void {
    this.endedBy = reason;
    this.timeline.changes.header = true;
    this.notifySoon();
  }

  /** Grows with every change of the topic. */
  version(topic: Topic): number {
    return this.topic(topic).version;
  }

  /** Calls back when the topic has changed. */
  subscribe(topic: Topic, listener: () => void): () => void {
    const { listeners } = this.topic(topic);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Calls back when the card has changed. */
  subscribeCard(id: string, listener: () => void): () => void {
    const listeners = this.cards.get(id) ?? new Set();
    this.cards.set(id, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.cards.get(id) === listeners) this.cards.delete(id);
    };
  }

  /** The card of that id, if it is still there. */
  card(id: string): Card | undefined {
    return this.timeline.byId.get(id);
  }

  private topic(topic: Topic): { version: number; listeners: Set<() => void> } {
    let found = this.topics.get(topic);
    if (found === undefined) {
      found = { version: 0, listeners: new Set() };
      this.topics.set(topic, found);
    }
    return found;
  }

  private notifySoon(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.schedule(() => {
      this.scheduled = false;
      this.notify();
    });
  }

  private notify(): void {
    const changes = takeChanges(this.timeline);
    for (const card of changes.cards) this.cards.get(card.id)?.forEach((listener) => listener());
    if (changes.list) this.tell('list');
    if (changes.header) this.tell('header');
    if (changes.files) this.tell('files');
    if (changes.list || changes.cards.size > 0) this.tell('cards');
  }

  private tell(name: Topic): void {
    const topic = this.topic(name);
    topic.version += 1;
    for (const listener of topic.listeners) listener();
  }
}

/** Before the next paint; in a hidden tab, where nothing is painted, soon. */
function nextFrame(callback: () => void): void {
  if (document.visibilityState === 'hidden') setTimeout(callback, 200);
  else requestAnimationFrame(callback);
}
