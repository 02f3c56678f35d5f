import type { OpenTerminalResponse } from '@gen/lucid/sandbox/v1/commands_pb';
import { Code } from '@connectrpc/connect';
import { OpenTerminalResponse_Exit_Reason as Reason } from '@gen/lucid/sandbox/v1/commands_pb';
import { Backoff } from '@/lib/backoff';
import { toFailure } from '@/lib/errors';
import type { Opening } from '../api/open-terminal';

/** Where a terminal stands, for people. */
export type LinkState = { readonly at: 'opening' | 'open' | 'away' } | { readonly at: 'ended' | 'failed'; readonly words: string };

/**
 * What a link needs and what it tells. `show` gets bytes, and whether they were shown to somebody before; while it has
 * more to draw than it can, nothing more is read, and in the end the program itself waits.
 */
export interface LinkParts {
  readonly open: (opening: Opening, signal: AbortSignal) => AsyncIterable<OpenTerminalResponse>;
  readonly show: (data: Uint8Array | string, old: boolean) => Promise<void> | undefined;
  readonly tell: (state: LinkState) => void;
  readonly pause?: (ms: number) => Promise<void>;
}

type Frame = OpenTerminalResponse['frame'];

/** Follows one terminal: every break of the stream is taken up again from the byte that comes next. */
export class TerminalLink {
  private position = 0n;
  private shownBefore = 0n;
  private started = false;
  private readonly ending = new AbortController();
  private readonly backoff = new Backoff();

  constructor(
    private readonly opening: Pick<Opening, 'sandboxId' | 'terminalId' | 'columns' | 'rows'>,
    private readonly parts: LinkParts,
  ) {}

  /** Follows until the terminal ends, or `stop`. */
  async run(): Promise<void> {
    this.parts.tell({ at: 'opening' });
    while (!this.isStopped()) {
      try {
        if (await this.follow()) return;
      } catch (error) {
        if (this.isStopped() || this.isOver(error)) return;
      }
      this.parts.tell({ at: 'away' });
      await (this.parts.pause ?? wait)(this.backoff.next());
    }
  }

  /** Lets go; the terminal stays open. */
  stop(): void {
    this.ending.abort();
  }

  private isStopped(): boolean {
    return this.ending.signal.aborted;
  }

  /** Whether it has ended. */
  private async follow(): Promise<boolean> {
    const size = this.started ? { columns: 0, rows: 0 } : {};
    const opening = { ...this.opening, ...size, fromOffset: this.position, attachOnly: this.started };
    for await (const { frame } of this.parts.open(opening, this.ending.signal)) {
      if (this.isStopped()) return true;
      this.backoff.reset();
      if (await this.take(frame)) return true;
    }
    return false;
  }

  private async take(frame: Frame): Promise<boolean> {
    if (frame.case === 'started') {
      if (!this.started) this.shownBefore = frame.value.shownBytes;
      this.started = true;
      this.parts.tell({ at: 'open' });
    } else if (frame.case === 'output') {
      const { offset, data } = frame.value;
      if (offset > this.position && this.position > 0n) await this.parts.show('\r\n\x1b[2m… some output is no longer kept …\x1b[0m\r\n', true);
      this.position = offset + BigInt(data.length);
      await this.parts.show(data, offset < this.shownBefore);
    } else if (frame.case === 'exit') {
      this.parts.tell({ at: 'ended', words: endOf(frame.value) });
      return true;
    }
    return false;
  }

  private isOver(error: unknown): boolean {
    const { code, reason, message } = toFailure(error);
    const passing = code === Code.Unavailable || code === Code.Unknown || code === Code.Internal || code === Code.Canceled || reason === 'NETWORK';
    if (passing && (this.started || reason === 'NETWORK')) return false;
    const gone = this.started && reason === 'TERMINAL_NOT_FOUND';
    this.parts.tell(gone ? { at: 'ended', words: 'It ended with its sandbox.' } : { at: 'failed', words: message });
    return true;
  }
}

function endOf(exit: Extract<Frame, { case: 'exit' }>['value']): string {
  if (exit.reason === Reason.SANDBOX_LOST) return 'It ended with its sandbox.';
  if (exit.reason === Reason.CLOSED) return 'It was closed.';
  if (exit.end.case === 'exitCode') return `Its shell ended: exit ${exit.end.value}.`;
  return exit.end.case === 'signal' ? `Its shell ended by ${exit.end.value}.` : 'Its shell ended.';
}

function wait(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
