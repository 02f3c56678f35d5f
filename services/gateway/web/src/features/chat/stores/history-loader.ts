import type { Event } from '@gen/lucid/sessions/v1/event_pb';
import { errorText } from '@/lib/errors';
import { needsOlder } from './history';
import { firstSeq } from './timeline-model';
import type { TimelineStore } from './timeline-store';

/** Gives the events right before one of the log, in order; at most `limit`. */
export type FetchBefore = (sessionId: string, beforeSeq: number, limit: number) => Promise<Event[]>;

/** How loading stands: `error` is in words for people, empty if there is none. */
export interface Loading {
  readonly busy: boolean;
  readonly error: string;
}

/** Events of a page that a person asked for, and of one that is needed to know what stands now. */
const PAGE = 200;
const BIG_PAGE = 1000;
const IDLE: Loading = { busy: false, error: '' };

/** Loads the part of the log before the window: when asked, and by itself where the loaded part does not tell what stands now. */
export class HistoryLoader {
  private current = IDLE;
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly store: TimelineStore,
    private readonly fetch: FetchBefore,
  ) {}

  /** How it stands right now. */
  state = (): Loading => this.current;

  /** Calls back at every change of the state, and watches what is needed meanwhile. */
  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    const ends = (['list', 'header'] as const).map((topic) => this.store.subscribe(topic, () => this.loadNeeded()));
    this.loadNeeded();
    return () => {
      this.listeners.delete(listener);
      for (const end of ends) end();
    };
  };

  /** One page more; nothing happens while one is on its way. */
  load = (): void => void this.page(PAGE);

  private loadNeeded(): void {
    // A failure is not repeated by itself: the person has a button.
    if (this.current.error === '' && needsOlder(this.store.timeline)) void this.page(BIG_PAGE);
  }

  private async page(limit: number): Promise<void> {
    const before = firstSeq(this.store.timeline);
    if (this.current.busy || before <= 1) return;
    this.become({ busy: true, error: '' });
    try {
      const fits = this.store.addOlder(await this.fetch(this.store.sessionId, before, limit));
      this.become(IDLE);
      if (fits) this.loadNeeded();
    } catch (failure) {
      this.become({ busy: false, error: errorText(failure) });
    }
  }

  private become(state: Loading): void {
    this.current = state;
    for (const listener of this.listeners) listener();
  }
}
