import {
  Channel,
  CommandCompleted_Reason,
  Error_UserAction,
  FileEdited_Kind,
  FileEdited_Via,
  NetworkMode,
  PlanUpdated_Step_State as Step,
  PullRequestChanged_State,
  SandboxChanged_State,
  Source,
  StatusChanged_Phase as Phase,
  TurnCompleted_Outcome,
  UserMessage_Delivery as Delivery,
} from '@gen/lucid/sessions/v1/event_pb';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { changed } from './changes';
import type { MockLog } from './log';
import type { MockQueue } from './queue';
import { APPROVALS, LINES, QUESTION, SANDBOX, usage } from './rare';

const PLAN = ['Read the issue and run the tests', 'Find what rounds wrongly', 'Mend it and run the tests again', 'Commit, push, open the pull request'];

export const DIFF = `diff --git a/src/tally/money.py b/src/tally/money.py
index 1f2c3d4..5e6f7a8 100644
--- a/src/tally/money.py
+++ b/src/tally/money.py
@@ -1,12 +1,15 @@
 """Sums of money, in whole cents."""
 
+from decimal import ROUND_HALF_EVEN, Decimal
+
 
 def split(total: int, parts: int) -> list[int]:
     """Splits a sum so that nothing is lost."""
-    share = round(total / parts)
-    return [share] * parts
+    share, rest = divmod(total, parts)
+    return [share + 1] * rest + [share] * (parts - rest)
 
 
 def parse(text: str) -> int:
-    return int(float(text) * 100)
+    cents = Decimal(text).scaleb(2)
+    return int(cents.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
`;

const RED = `\x1b[1m============================= test session starts ==============================\x1b[0m
collected 6 items

tests/test_money.py \x1b[32m.\x1b[0m\x1b[32m.\x1b[0m\x1b[31mF\x1b[0m\x1b[32m.\x1b[0m\x1b[31mF\x1b[0m\x1b[32m.\x1b[0m                                            [100%]

=================================== FAILURES ===================================
\x1b[31m\x1b[1m_____________________________ test_nothing_is_lost _____________________________\x1b[0m

    def test_nothing_is_lost():
>       assert sum(split(100, 3)) == 100
\x1b[1m\x1b[31mE       assert 99 == 100\x1b[0m
\x1b[1m\x1b[31mE        +  where 99 = sum([33, 33, 33])\x1b[0m

\x1b[1m\x1b[31mtests/test_money.py\x1b[0m:14: AssertionError
\x1b[36m\x1b[1m=========================== short test summary info ============================\x1b[0m
\x1b[31mFAILED\x1b[0m tests/test_money.py::\x1b[1mtest_nothing_is_lost\x1b[0m - assert 99 == 100
\x1b[31mFAILED\x1b[0m tests/test_money.py::\x1b[1mtest_parse_rounds\x1b[0m - assert 1998 == 1999
\x1b[31m========================= \x1b[31m\x1b[1m2 failed\x1b[0m, \x1b[32m4 passed\x1b[0m\x1b[31m in 0.05s\x1b[0m\x1b[31m ==========================\x1b[0m
`;

const GREEN = `tests/test_money.py \x1b[32m......\x1b[0m                                            [100%]
\x1b[32m============================== \x1b[32m\x1b[1m6 passed\x1b[0m\x1b[32m in 0.03s\x1b[0m\x1b[32m ===============================\x1b[0m
`;

/** Plays a whole turn into a log, as the demo model does it. */
export class Script {
  private items = 0;

  constructor(
    private readonly log: MockLog,
    private readonly pause: (ms: number) => Promise<void>,
  ) {}

  async run(task: string): Promise<void> {
    const { log } = this;
    log.append({ case: 'userMessage', value: { clientMessageId: 'first', text: task } }, '', Source.USER);
    await this.status(Phase.STARTING_SANDBOX, 300);
    const ready = { sandboxId: 'sbx_0123456789', state: SandboxChanged_State.READY, reason: 'bubblewrap', network: NetworkMode.REGISTRIES, allowedHosts: ['packages.example:443'] };
    log.append({ case: 'sandboxChanged', value: ready });
    await this.status(Phase.CLONING, 500, 'Cloning demo/tally');
    await this.status(Phase.RUNNING, 10);
    log.append({ case: 'turnStarted', value: { byEventId: 'evt1', model: 'demo' } });
    log.append({ case: 'titleChanged', value: { title: 'Fix the rounding of split sums', byUser: false } });
    this.plan(0);
    await this.text(Channel.THOUGHT, 'I begin with what is known: the tests. `split` is said to lose a cent, so the test for it should be red.');
    await this.command('python -m pytest -q --color=yes', RED, 1);
    this.plan(1);
    await this.tool('search_files', 'Search for def split', 'src/tally/money.py\n     6\tdef split(total: int, parts: int) -> list[int]:\n[1 line; 4 files searched]');
    await this.tool('view_file', 'src/tally/money.py', '1  """Sums of money, in whole cents."""');
    await this.text(Channel.THOUGHT, '`round(total / parts)` throws the rest away: 100 / 3 gives 33 three times. The rest has to go to the first parts. `parse` goes through a float, which is why `19.99` becomes 1998.');
    this.edit();
    this.plan(2);
    await this.command('python -m pytest -q --color=yes', GREEN, 0);
    this.plan(3);
    await this.command("git switch -c lucid/ses_1/fix-rounding && git commit -qam 'Keep every cent when a sum is split' && git push -q origin HEAD", '', 0);
    log.append({ case: 'branchPushed', value: { provider: 'local', repo: 'demo/tally', branch: 'lucid/ses_1/fix-rounding', commit: '5e6f7a8b9c', commits: 1 } });
    const pull = { provider: 'local', repo: 'demo/tally', number: 1, url: '/pulls/local/demo/tally/1', title: 'Keep every cent when a sum is split' };
    const where = { head: 'lucid/ses_1/fix-rounding', base: 'main', state: PullRequestChanged_State.OPEN, added: 7, removed: 3 };
    log.append({ case: 'pullRequestChanged', value: { ...pull, ...where } });
    this.plan(4);
    await this.text(Channel.MESSAGE, 'Done. Sums are split **without losing a cent** now:\n\n- `split` gives the rest to the first parts\n- `parse` no longer goes through a float\n\nAll 6 tests pass. The pull request is open for review.');
    log.append({ case: 'usage', value: { model: 'demo', inputTokens: 8412, outputTokens: 655, sessionCostMicros: 0n, currency: 'USD', priceKnown: true, contextUsed: 9067, contextWindow: 200000 } });
    log.append({ case: 'turnCompleted', value: { outcome: TurnCompleted_Outcome.DONE, summary: '', durationMs: 9400n } });
    await this.status(Phase.COMPLETED, 0);
  }

  /** A second turn with the rarer cards; it stays in the midst of them. */
  async rare(queue: MockQueue): Promise<void> {
    const { log } = this;
    log.append({ case: 'turnStarted', value: { byEventId: 'evt1', model: 'anthropic/claude' } });
    await this.status(Phase.RUNNING, 10);
    for (const payload of LINES) log.append(payload);
    for (let call = 1; call < 5; call += 1) log.append({ case: 'usage', value: usage(call) });
    const failure = { code: 'MODEL_OVERLOADED', message: 'The model is overloaded and did not answer five times in a row.', userAction: Error_UserAction.RETRY };
    log.append({ case: 'error', value: failure });
    log.append({ case: 'approvalRequested', value: { ...QUESTION, requestId: 'apr_0' } });
    log.append({ case: 'approvalResolved', value: { requestId: 'apr_0', optionId: 'a', by: 'usr_1' } }, '', Source.USER);
    APPROVALS.forEach((request, index) => {
      const expires = timestampFromDate(new Date(Date.now() + (index + 1) * 200_000));
      log.append({ case: 'approvalRequested', value: { ...request, requestId: `apr_${index + 1}`, expires } });
    });
    await this.status(Phase.WAITING_APPROVAL, 0);
    queue.add('q1', 'Also add a line to the changelog, and say which version it will be in.', Delivery.QUEUED);
    queue.add('q2', 'Use the rounding that the invoices use, not the one of the bank.', Delivery.STEER);
    queue.add('q3', 'Then look whether the importer has the same fault.', Delivery.QUEUED);
  }

  /** Everything that a sandbox goes through which nobody uses; it sleeps at the end. */
  sleep(): void {
    for (const payload of SANDBOX) this.log.append(payload, '', Source.SYSTEM);
  }

  private async status(phase: Phase, ms: number, message = ''): Promise<void> {
    this.log.append({ case: 'statusChanged', value: { phase, message, phaseMs: BigInt(ms) } }, '', Source.SYSTEM);
    await this.pause(ms);
  }

  private plan(done: number): void {
    const state = (index: number): Step => (index < done ? Step.DONE : index === done ? Step.IN_PROGRESS : Step.PENDING);
    const steps = PLAN.map((text, index) => ({ id: String(index), text, state: state(index) }));
    this.log.append({ case: 'planUpdated', value: { steps } });
  }

  private async text(channel: Channel, text: string): Promise<void> {
    const item = this.item();
    this.log.append({ case: 'textStarted', value: { channel } }, item);
    this.log.begin(item, channel);
    for (const piece of text.match(/\S+\s*/g) ?? []) {
      this.log.delta(item, piece);
      await this.pause(25);
    }
    this.log.open.delete(item);
    this.log.append({ case: 'textCompleted', value: { channel, text } }, item);
  }

  private async command(command: string, output: string, exitCode: number): Promise<void> {
    const call = this.item();
    this.log.append({ case: 'toolCallStarted', value: { tool: 'run_command', title: command } }, call);
    const item = `${call}c`;
    this.log.append({ case: 'commandStarted', value: { command, cwd: '/workspace' } }, item, Source.AGENT, call);
    this.log.begin(item, Channel.STDOUT);
    for (const line of output.match(/.*\n/g) ?? []) {
      this.log.delta(item, line);
      await this.pause(30);
    }
    this.log.open.delete(item);
    const head = Buffer.from(output);
    const end = { case: 'exitCode' as const, value: exitCode };
    const value = { end, reason: CommandCompleted_Reason.EXITED, durationMs: 640n, totalBytes: head.length, head };
    this.log.append({ case: 'commandCompleted', value }, item);
    this.log.append({ case: 'toolCallCompleted', value: { ok: exitCode === 0, resultText: '' } }, call);
  }

  private async tool(tool: string, title: string, resultText: string): Promise<void> {
    const item = this.item();
    this.log.append({ case: 'toolCallStarted', value: { tool, title, args: tool === 'search_files' ? { query: title.slice('Search for '.length) } : { path: title } } }, item);
    await this.pause(120);
    this.log.append({ case: 'toolCallCompleted', value: { ok: true, resultText, durationMs: 3n } }, item);
  }

  private edit(): void {
    const value = { path: 'src/tally/money.py', kind: FileEdited_Kind.MODIFIED, unifiedDiff: DIFF, added: 6, removed: 3, treeAfter: 't1' };
    this.log.append({ case: 'fileEdited', value }, this.item());
    for (const file of changed(DIFF).filter(({ path }) => path !== value.path)) {
      this.log.append({ case: 'fileEdited', value: { ...file, via: FileEdited_Via.COMMAND, treeAfter: 't2' } }, this.item());
    }
    this.log.append({ case: 'diffSnapshot', value: { added: 9, removed: 3, totalFiles: 5, tree: 't2' } });
  }

  private item(): string {
    this.items += 1;
    return `itm_${this.items}`;
  }
}

