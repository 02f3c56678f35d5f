import { Backoff } from '@/lib/backoff';
import { toFailure } from '@/lib/errors';

/** At most so many bytes in one call. */
const MOST = 64 * 1024;
/** Milliseconds until what a program did not take is offered again. */
const AGAIN = 100;
const LOST = new Set(['INPUT_CLOSED', 'INPUT_GAP', 'TERMINAL_NOT_FOUND', 'SANDBOX_NOT_FOUND']);

/** Sends bytes from an offset on; how far they are accepted. */
export type Send = (offset: bigint, data: Uint8Array) => Promise<bigint>;

/** What is typed, in order, each byte once: one call at a time, and what comes meanwhile goes with the next. */
export class Typing {
  private waiting = new Uint8Array(0);
  private accepted = 0n;
  private sending = false;
  private stopped = false;
  private readonly backoff = new Backoff(100, 5000);

  constructor(
    private readonly send: Send,
    private readonly pause: (ms: number) => Promise<void> = (ms) => new Promise((done) => setTimeout(done, ms)),
  ) {}

  /** Takes what was typed. */
  add(data: Uint8Array): void {
    if (this.stopped) return;
    const joined = new Uint8Array(this.waiting.length + data.length);
    joined.set(this.waiting);
    joined.set(data, this.waiting.length);
    this.waiting = joined;
    if (!this.sending) void this.work();
  }

  /** Nothing more is sent. */
  stop(): void {
    this.stopped = true;
    this.waiting = new Uint8Array(0);
  }

  private async work(): Promise<void> {
    this.sending = true;
    while (this.waiting.length > 0) await this.step(this.waiting.subarray(0, MOST));
    this.sending = false;
  }

  private async step(part: Uint8Array): Promise<void> {
    try {
      const accepted = await this.send(this.accepted, part);
      this.waiting = this.waiting.subarray(Number(accepted - this.accepted));
      const all = accepted === this.accepted + BigInt(part.length);
      this.accepted = accepted;
      this.backoff.reset();
      if (!all) await this.pause(AGAIN);
    } catch (error) {
      if (LOST.has(toFailure(error).reason)) this.stop();
      else await this.pause(this.backoff.next());
    }
  }
}
