/** Waiting times between attempts: full jitter under a bound that doubles from `first` to `most` milliseconds. */
export class Backoff {
  private attempts = 0;

  constructor(
    private readonly first = 250,
    private readonly most = 10_000,
    private readonly random: () => number = Math.random,
  ) {}

  /** Milliseconds to wait before the next attempt; never less than a tenth of the bound, so that nothing spins. */
  next(): number {
    const bound = Math.min(this.most, this.first * 2 ** this.attempts);
    this.attempts += 1;
    return bound * (0.1 + 0.9 * this.random());
  }

  /** Something worked: begin small again. */
  reset(): void {
    this.attempts = 0;
  }
}
