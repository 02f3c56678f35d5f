import type { Timestamp } from '@bufbuild/protobuf/wkt';
import type {
  ApprovalRequested,
  ApprovalResolved,
  CommandCompleted,
  CommandStarted,
  ErrorSchema,
  FileEdited,
  PlanUpdated,
  PullRequestChanged,
  StatusChanged,
  TurnCompleted,
} from '@gen/lucid/sessions/v1/event_pb';
import type { JsonObject, MessageShape } from '@bufbuild/protobuf';

/** What every card has. A card is changed in place; `version` grows with each change, so that a view can compare. */
export interface CardBase {
  /** Stable over resume and refresh: made from the item's or the event's id. */
  readonly id: string;
  /** The event that completed the card; 0 while it is in progress. */
  seq: number;
  readonly time: Timestamp | undefined;
  readonly turnId: string;
  version: number;
  /** Not shown: it waits in the queue, or was withdrawn. */
  hidden: boolean;
}

export interface MessageCard extends CardBase {
  readonly kind: 'message';
  readonly clientMessageId: string;
  readonly text: string;
  readonly author: string;
}

export interface TextCard extends CardBase {
  readonly kind: 'text';
  channel: 'thought' | 'message';
  text: string;
  open: boolean;
  interrupted: boolean;
  /** The model's stream broke here and the text begins again in another item. */
  reset: boolean;
}

/** What a running command has printed. Old bytes are let go beyond a bound; the offset still counts them. */
export interface LiveOutput {
  /** For the card: the end of what was printed. */
  text: string;
  /** Text before `text` was let go. */
  clipped: boolean;
  /** For the terminal: the end of what was printed, as it came. */
  chunks: { readonly offset: number; readonly bytes: Uint8Array }[];
  chunkBytes: number;
}

export interface CommandCard extends CardBase {
  readonly kind: 'command';
  started: CommandStarted | undefined;
  live: LiveOutput;
  completed: CommandCompleted | undefined;
}

export interface DiffCard extends CardBase {
  readonly kind: 'diff';
  readonly edit: FileEdited;
}

export interface PlanCard extends CardBase {
  readonly kind: 'plan';
  plan: PlanUpdated;
}

export interface ToolCard extends CardBase {
  readonly kind: 'tool';
  readonly tool: string;
  readonly title: string;
  readonly args: JsonObject | undefined;
  result: { readonly ok: boolean; readonly text: string; readonly ms: number } | undefined;
}

export interface ApprovalCard extends CardBase {
  readonly kind: 'approval';
  readonly request: ApprovalRequested;
  resolved: ApprovalResolved | undefined;
  /** It waits no more though nobody has pressed a button: answered by a plain message, or its turn is over. */
  closed: '' | 'message' | 'turn';
}

export interface ErrorCard extends CardBase {
  readonly kind: 'error';
  readonly error: MessageShape<typeof ErrorSchema>;
}

export interface StatusCard extends CardBase {
  readonly kind: 'status';
  status: StatusChanged;
  /** Milliseconds spent in the phase, known when the next one begins; undefined while it lasts. */
  ms: number | undefined;
}

export interface PullRequestCard extends CardBase {
  readonly kind: 'pull-request';
  pull: PullRequestChanged;
}

export interface TurnCard extends CardBase {
  readonly kind: 'turn';
  readonly turn: TurnCompleted;
  /** The closing words, unless an answer has just said the same. */
  readonly summary: string;
}

/** A person has put the files back to an earlier step. */
export interface RewindCard extends CardBase {
  readonly kind: 'rewind';
  readonly files: number;
  readonly left: readonly string[];
  /** The checkpoint of how they were before; empty if it is not known. */
  readonly undoId: string;
}

/** A plain line, also for kinds of events that this page does not know. */
export interface LineCard extends CardBase {
  readonly kind: 'line';
  text: string;
  readonly href: string;
  /** Markdown that is shown on demand; empty for none. */
  readonly detail: string;
}

export type Card =
  | MessageCard
  | TextCard
  | CommandCard
  | DiffCard
  | PlanCard
  | ToolCard
  | ApprovalCard
  | ErrorCard
  | StatusCard
  | PullRequestCard
  | TurnCard
  | RewindCard
  | LineCard;
