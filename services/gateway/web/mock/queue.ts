import { QueueChanged_Change as Change, Source, UserMessage_Delivery as Delivery } from '@gen/lucid/sessions/v1/event_pb';
import type { MockLog } from './log';

interface Waiting {
  id: string;
  text: string;
  delivery: Delivery;
}

/** The queue of a mock session: every change is an event of its log. */
export class MockQueue {
  private entries: Waiting[] = [];

  constructor(private readonly log: MockLog) {}

  add(id: string, text: string, delivery: Delivery): void {
    const entry = { id, text, delivery: delivery === Delivery.STEER ? delivery : Delivery.QUEUED };
    this.entries.push(entry);
    this.tell(entry, Change.ADDED);
  }

  update(id: string, text: string, delivery: Delivery): void {
    const entry = this.find(id);
    if (text !== '') entry.text = text;
    if (delivery !== Delivery.UNSPECIFIED) entry.delivery = delivery;
    this.tell(entry, Change.EDITED);
  }

  move(id: string, place: number): void {
    const entry = this.find(id);
    this.entries = this.entries.filter((one) => one !== entry);
    this.entries.splice(place, 0, entry);
    this.tell(entry, Change.MOVED);
  }

  cancel(id: string): void {
    const entry = this.find(id);
    this.entries = this.entries.filter((one) => one !== entry);
    this.tell(entry, Change.CANCELLED);
  }

  private find(id: string): Waiting {
    const found = this.entries.find((entry) => entry.id === id);
    if (found === undefined) throw new Error('9 The agent has taken this message already.');
    return found;
  }

  private tell({ id, text, delivery }: Waiting, change: Change): void {
    const order = this.entries.map((entry) => entry.id);
    this.log.append({ case: 'queueChanged', value: { queueItemId: id, change, order, text, delivery } }, '', Source.USER);
  }
}
