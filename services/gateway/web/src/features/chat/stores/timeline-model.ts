import { NetworkMode, StatusChanged_Phase } from '@gen/lucid/sessions/v1/event_pb';
import type { Channel, DiffSnapshot, Event, SessionConfigured, Usage } from '@gen/lucid/sessions/v1/event_pb';
import type { ApprovalCard, Card, CommandCard, TextCard } from './cards';

/** What of a session's state stands in the header, outside of the cards. */
export interface Header {
  phase: StatusChanged_Phase;
  phaseMessage: string;
  demo: boolean;
  title: string;
  model: string;
  sandboxId: string;
  confinement: string;
  /** What could close the sandbox off further and cannot be had there. */
  lacks: readonly string[];
  /** Nobody uses the sandbox: it sleeps, was put away, or its files are gone. */
  sandbox: 'up' | 'asleep' | 'away' | 'gone';
  /** What the sandbox may reach. */
  network: { readonly mode: NetworkMode; readonly allowed: readonly string[] };
  tokens: number;
  costMicros: bigint;
  currency: string;
  priceKnown: boolean;
  contextUsed: number;
  contextWindow: number;
  budgetMicros: bigint;
  /** Model calls, oldest first, as far as the log is loaded. */
  calls: readonly ModelCall[];
  /** What a person last changed; undefined while the loaded log does not say. */
  settings: SessionConfigured | undefined;
  /** All changes of the session; undefined while the loaded log does not say. */
  soFar: DiffSnapshot | undefined;
}

/** One model call as it was paid for. */
export interface ModelCall {
  readonly seq: number;
  readonly usage: Usage;
}

/** A message that waits for the agent: until its next model call (`steer`), or until this turn is over. */
export interface QueueEntry {
  readonly id: string;
  /** Empty while the event that says it is not loaded. */
  readonly text: string;
  readonly steer: boolean;
}

/** One byte stream of an open item. */
export interface OpenChannel {
  have: number;
  readonly decoder: TextDecoder;
}

/** An item between its started and its completed event. */
export interface OpenItem {
  readonly card: TextCard | CommandCard;
  readonly channels: Map<Channel, OpenChannel>;
}

/** What changed since the changes were last taken; the view's only work list. */
export interface Changes {
  readonly cards: Set<Card>;
  list: boolean;
  header: boolean;
  files: boolean;
}

/** A session as the log tells it so far. Changed in place by `apply`, because nothing may be copied per token. */
export interface Timeline {
  epoch: number;
  lastSeq: number;
  caughtUp: boolean;
  /** The watch begins with the last events only. */
  readonly windowed: boolean;
  /** Until CaughtUp, a gap before an event means that the window begins there. */
  opening: boolean;
  /** The loaded part of the log, without a gap, up to `lastSeq`. */
  events: Event[];
  /** Beginnings of open items, from before that part. */
  strays: Event[];
  cards: Card[];
  readonly byId: Map<string, Card>;
  /** The commands among the cards, in order; only ever appended to. */
  readonly commands: CommandCard[];
  readonly open: Map<string, OpenItem>;
  /** Tool calls by item, for those that are shown by another card: has one been shown? */
  readonly silentTools: Map<string, { readonly tool: string; readonly title: string; shown: boolean }>;
  /** Questions and approvals that nobody has answered yet. */
  readonly waiting: Set<ApprovalCard>;
  queue: readonly QueueEntry[];
  /** The loaded log says what waits. */
  queueKnown: boolean;
  /** The beginning of the running turn is loaded. */
  turnKnown: boolean;
  readonly queued: Map<string, QueueEntry>;
  header: Header;
  changes: Changes;
}

/** An empty timeline; a windowed one may begin in the midst of the log. */
export function newTimeline(windowed = false): Timeline {
  return {
    epoch: 0,
    lastSeq: 0,
    caughtUp: false,
    windowed,
    opening: windowed,
    events: [],
    strays: [],
    cards: [],
    byId: new Map(),
    commands: [],
    open: new Map(),
    silentTools: new Map(),
    waiting: new Set(),
    queue: [],
    queueKnown: false,
    turnKnown: false,
    queued: new Map(),
    header: newHeader(),
    changes: noChanges(),
  };
}

function newHeader(): Header {
  return {
    phase: StatusChanged_Phase.UNSPECIFIED,
    phaseMessage: '',
    demo: false,
    title: '',
    model: '',
    sandboxId: '',
    confinement: '',
    lacks: [],
    sandbox: 'up',
    network: { mode: NetworkMode.UNSPECIFIED, allowed: [] },
    tokens: 0,
    costMicros: 0n,
    currency: 'USD',
    priceKnown: true,
    contextUsed: 0,
    contextWindow: 0,
    budgetMicros: 0n,
    calls: [],
    settings: undefined,
    soFar: undefined,
  };
}

function noChanges(): Changes {
  return { cards: new Set(), list: false, header: false, files: false };
}

/** Hands over what changed and begins a new list. */
export function takeChanges(timeline: Timeline): Changes {
  const changes = timeline.changes;
  timeline.changes = noChanges();
  return changes;
}

/** The first event of the loaded part; 0 while nothing is loaded. */
export function firstSeq(timeline: Timeline): number {
  return timeline.events[0]?.seq ?? 0;
}

/** Notes that a card looks different now. */
export function touch(timeline: Timeline, card: Card): void {
  card.version += 1;
  timeline.changes.cards.add(card);
}
