import { CommandCompleted_Reason } from '@gen/lucid/sessions/v1/event_pb';
import type { CommandCompleted } from '@gen/lucid/sessions/v1/event_pb';
import type { CommandCard } from './cards';
import { gap } from './output';
import type { TimelineStore } from './timeline-store';

/** What a terminal takes: text of ours, or bytes as a command printed them. */
export type TerminalWrite = (data: string | Uint8Array) => void;

const NEWLINE = 10;
/** A command that was ended in the midst of a full screen leaves it neither itself nor its modes behind. */
const LEAVE = '\x1b[?47l\x1b[!p';

interface Written {
  bytes: number;
  done: boolean;
}

/** Writes all commands and their output to a terminal, each byte once, whenever `sync` is called. */
export class TerminalFeed {
  private readonly written = new Map<string, Written>();
  private position = 0;
  private pending: CommandCard[] = [];
  private commands: readonly CommandCard[] | undefined;

  constructor(
    private readonly store: TimelineStore,
    private readonly write: TerminalWrite,
    private readonly clear: () => void,
  ) {}

  /** Brings the terminal up to the timeline. Costs what is new, not what there is. */
  sync(): void {
    const { commands } = this.store.timeline;
    if (this.commands !== commands) this.restart(commands);
    this.pending.push(...commands.slice(this.position));
    this.position = commands.length;
    for (const card of this.pending) this.bring(card);
    this.pending = this.pending.filter((card) => this.written.get(card.id)?.done !== true);
  }

  private restart(commands: readonly CommandCard[]): void {
    if (this.commands !== undefined) this.clear();
    this.commands = commands;
    this.position = 0;
    this.pending = [];
    this.written.clear();
  }

  private bring(card: CommandCard): void {
    let state = this.written.get(card.id);
    if (state === undefined) {
      state = { bytes: 0, done: false };
      this.written.set(card.id, state);
      this.write(`\x1b[1;34m$\x1b[0m \x1b[1m${printable(card.started?.command ?? '')}\x1b[0m\r\n`);
    }
    for (const { offset, bytes } of card.live.chunks) {
      const end = offset + bytes.length;
      if (end <= state.bytes) continue;
      this.write(bytes.subarray(Math.max(0, state.bytes - offset)));
      state.bytes = end;
    }
    if (card.completed !== undefined) this.finish(card.completed, state);
  }

  private finish(completed: CommandCompleted, state: Written): void {
    this.rest(completed, state.bytes);
    const last = (completed.truncated ? completed.tail : completed.head).at(-1);
    const fresh = last === undefined || last === NEWLINE ? '' : '\r\n';
    state.done = true;
    const detached = completed.reason === CommandCompleted_Reason.DETACHED;
    const ok = detached || (completed.end.case === 'exitCode' && completed.end.value === 0);
    const how = completed.end.case === undefined ? 'ended' : completed.end.case === 'signal' ? completed.end.value : `exit ${completed.end.value}`;
    const word = detached ? 'runs on in the background' : how;
    this.write(`${LEAVE}\x1b[0m${fresh}\x1b[${ok ? '2' : '31'}m[${word}]\x1b[0m\r\n\r\n`);
  }

  /** What was printed and not yet written, as far as the event kept it. */
  private rest(completed: CommandCompleted, have: number): void {
    if (have >= completed.totalBytes) return;
    if (have < completed.head.length) this.write(completed.head.subarray(have));
    if (!completed.truncated) return;
    const tailAt = completed.totalBytes - completed.tail.length;
    if (have < tailAt) this.write(`\r\n\x1b[2m${gap(completed)}\x1b[0m\r\n`);
    this.write(completed.tail.subarray(Math.max(0, have - tailAt)));
  }
}

/** A command's own text may hold control characters; here they are shown, not carried out. */
function printable(command: string): string {
  // eslint-disable-next-line no-control-regex
  return command.replace(/[\x00-\x09\x0b-\x1f\x7f]/g, '\ufffd').replace(/\n/g, '\r\n  ');
}
