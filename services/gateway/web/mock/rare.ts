import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  ApprovalRequested_Kind as Kind,
  ApprovalRequested_Risk as Risk,
  ConfirmationMode,
  ModelSelected_Reason,
  NetworkBlocked_Reason,
  SandboxChanged_State as State,
  StuckDetected_Action,
} from '@gen/lucid/sessions/v1/event_pb';
import type { ApprovalRequestedSchema, EventSchema, UsageSchema } from '@gen/lucid/sessions/v1/event_pb';

type Payload = NonNullable<MessageInitShape<typeof EventSchema>['payload']>;
type Request = MessageInitShape<typeof ApprovalRequestedSchema>;

const YES_NO = [
  { id: 'allow', label: 'Allow', isDefault: true },
  { id: 'deny', label: 'Refuse' },
  { id: 'other', label: 'Refuse and say why', needsText: true },
];

export const QUESTION: Request = {
  kind: Kind.QUESTION,
  title: 'How shall half a cent be rounded?',
  body: 'Banks mostly round **half to even**; invoices often **half up**.',
  options: [
    { id: 'a', label: 'Half to even', isDefault: true },
    { id: 'b', label: 'Half up' },
  ],
};

/** One of each kind that looks different. */
export const APPROVALS: readonly Request[] = [
  { kind: Kind.COMMAND, risk: Risk.HIGH, title: 'Remove everything that is not committed?', body: 'git clean -fdx && git reset --hard', options: YES_NO },
  {
    kind: Kind.WORKFLOW_FILES,
    risk: Risk.MEDIUM,
    title: 'Push a change of what CI runs?',
    body: 'The branch changes `.github/workflows/test.yml`.',
    unifiedDiff: `diff --git a/.github/workflows/test.yml b/.github/workflows/test.yml
--- a/.github/workflows/test.yml
+++ b/.github/workflows/test.yml
@@ -8,3 +8,4 @@ jobs:
     steps:
       - uses: actions/checkout@v4
+      - uses: actions/setup-python@v5
       - run: python -m pytest
`,
    options: YES_NO,
  },
  {
    kind: Kind.BUDGET,
    title: 'The budget of $0.50 is used up. Go on?',
    body: '12 model calls so far.',
    options: [
      { id: 'more', label: 'Another $0.50', isDefault: true },
      { id: 'stop', label: 'Stop here' },
    ],
  },
  { ...QUESTION, title: 'Which of the two?' },
];

/** What is told in one thin line each. */
export const LINES: readonly Payload[] = [
  { case: 'networkBlocked', value: { host: 'evil.example', port: 443, reason: NetworkBlocked_Reason.NOT_ALLOWED, allowed: ['packages.example:443'] } },
  { case: 'sessionConfigured', value: { confirmation: ConfirmationMode.RISKY, budget: { costMicros: 500_000n, steps: 40 }, fallbackModel: 'openai/gpt' } },
  { case: 'contextCompacted', value: { fromSeq: 3, toSeq: 40, summary: '- The task: sums lose a cent.\n- Touched: `money.py`.', tokensBefore: 151_000, tokensAfter: 9_400 } },
  { case: 'modelSelected', value: { model: 'openai/gpt', reason: ModelSelected_Reason.FALLBACK, detail: 'overloaded' } },
  { case: 'stuckDetected', value: { pattern: 'SAME_CALL_AND_RESULT', repeats: 4, action: StuckDetected_Action.NUDGED } },
];

/** What becomes of a sandbox, ending with one that sleeps. */
export const SANDBOX: readonly Payload[] = [
  { state: State.LOST, reason: 'its memory was full, and the kernel ended it' },
  { state: State.REBUILT, reason: 'docker', workspaceKept: true, workspaceId: 'w1' },
  { state: State.REBUILT, reason: 'docker', image: 'golang:1.27', workspaceKept: true, workspaceId: 'w1', message: 'Made again with image golang:1.27 and variables CGO_ENABLED, GOFLAGS.' },
  { state: State.SAVED, checkpointId: 'chk_1', checkpointBytes: 20_480n, commits: 2, files: 5, reason: 'data/big.bin: too large' },
  { state: State.HIBERNATED, checkpointId: 'chk_1' },
  { state: State.DESTROYED, checkpointId: 'chk_1' },
  { state: State.REBUILT, reason: 'docker', workspaceId: 'w2' },
  { state: State.RESTORED, checkpointId: 'chk_1', commits: 2, files: 5 },
  { state: State.PAUSED },
].map((value) => ({ case: 'sandboxChanged', value: { sandboxId: 'sbx_0123456789', ...value } }));

/** The n-th model call. */
export function usage(call: number): MessageInitShape<typeof UsageSchema> {
  return {
    model: 'anthropic/claude',
    inputTokens: 900 * call,
    cacheReadTokens: 14_000 * (call - 1),
    outputTokens: 310 + 40 * call,
    costMicros: 31_000n,
    sessionCostMicros: BigInt(31_000 * call + 260_000),
    budgetMicros: 500_000n,
    currency: 'USD',
    priceKnown: true,
    contextUsed: 15_000 * call,
    contextWindow: 200_000,
    latencyMs: BigInt(4200 + 310 * call),
    firstTokenMs: BigInt(640 + 70 * call),
  };
}
