import {
  ConfirmationMode,
  ModelSelected_Reason as Reason,
  NetworkBlocked_Reason as BlockReason,
  StuckDetected_Action as Action,
} from '@gen/lucid/sessions/v1/event_pb';
import type { ContextCompacted, Event, ModelSelected, NetworkBlocked, SessionConfigured, StuckDetected } from '@gen/lucid/sessions/v1/event_pb';
import { count, money } from '@/lib/format';

interface Line {
  readonly text: string;
  readonly href: string;
  /** Markdown that is shown on demand. */
  readonly detail: string;
}

/** One plain line for an event that has no card of its own, also for kinds that are not known here. */
export function eventLine(event: Event): Line {
  const payload = event.payload;
  switch (payload.case) {
    case 'modelSelected':
      return plain(selected(payload.value));
    case 'contextCompacted':
      return { text: compacted(payload.value), href: '', detail: payload.value.summary };
    case 'stuckDetected':
      return plain(stuck(payload.value));
    case 'sessionConfigured':
      return plain(configured(payload.value));
    case 'networkBlocked':
      return blocked(payload.value);
    case 'branchPushed':
      return plain(`Pushed ${payload.value.branch} to ${payload.value.repo} (${payload.value.commit.slice(0, 7)})`);
    case 'taskLinked':
      return { text: `Task: ${payload.value.title}`, href: payload.value.url, detail: '' };
    case 'notionUpdated':
      return { text: `Notion: ${payload.value.field} set to ${payload.value.to}`, href: payload.value.url, detail: '' };
    case 'triggerReceived':
      return { text: `Started by ${payload.value.kind}${dash(payload.value.actor)}`, href: payload.value.url, detail: '' };
    default:
      return plain('Something happened that this page is too old to show. Reload it.');
  }
}

function plain(text: string): Line {
  return { text, href: '', detail: '' };
}

function dash(text: string): string {
  return text === '' ? '' : ` – ${text}`;
}

const WHY: Readonly<Partial<Record<BlockReason, string>>> = {
  [BlockReason.NETWORK_OFF]: 'this session has no network',
  [BlockReason.NOT_CONNECT]: 'only https goes out',
  [BlockReason.NOT_TLS]: 'only https goes out',
  [BlockReason.ADDRESS]: 'only names are allowed',
  [BlockReason.PRIVATE_ADDRESS]: 'it does not lead to a public address',
  [BlockReason.NO_NAME]: 'TLS must name the server',
  [BlockReason.OTHER_NAME]: 'TLS named another server',
  [BlockReason.HIDDEN_NAME]: 'TLS must name the server in the open',
  [BlockReason.TOO_SLOW]: 'the request took too long',
  [BlockReason.TOO_MANY]: 'too many connections at once',
  [BlockReason.BAD_REQUEST]: 'the request was malformed',
};

function blocked({ host, port, reason, allowed }: NetworkBlocked): Line {
  const goal = host === '' ? 'A call out of the sandbox' : `${host}${port === 0 ? '' : `:${port}`}`;
  const hosts = allowed.length === 0 ? 'Nothing is allowed.' : `Allowed are:\n\n${allowed.map((name) => `- \`${name}\``).join('\n')}`;
  return { text: `Blocked: ${goal} – ${WHY[reason] ?? 'not allowed here'}`, href: '', detail: hosts };
}

function selected({ model, reason, detail }: ModelSelected): string {
  if (reason === Reason.FALLBACK) return `${model} answers from here on, because the model before it failed${dash(detail)}`;
  return `Model: ${model}${dash(detail)}`;
}

function compacted({ tokensBefore, tokensAfter }: ContextCompacted): string {
  const sizes = tokensBefore > 0 ? `: ${count(tokensBefore)} → ${count(tokensAfter)} tokens` : '';
  return `Older history was summed up for the model${sizes}`;
}

const STUCK: Readonly<Partial<Record<Action, string>>> = {
  [Action.NUDGED]: 'it was told to try something else',
  [Action.ASKED]: 'it asks you how to go on',
  [Action.STOPPED]: 'the turn was ended',
};

function stuck({ pattern, repeats, action }: StuckDetected): string {
  const times = repeats > 1 ? ` (${repeats} times${pattern === '' ? '' : `: ${words(pattern)}`})` : pattern === '' ? '' : ` (${words(pattern)})`;
  const done = STUCK[action];
  return `The agent repeats itself${times}${done === undefined ? '' : `; ${done}`}`;
}

function words(name: string): string {
  return name.toLowerCase().replaceAll('_', ' ');
}

const MODES: Readonly<Partial<Record<ConfirmationMode, string>>> = {
  [ConfirmationMode.NEVER]: 'asks nothing first',
  [ConfirmationMode.RISKY]: 'asks before what is risky',
  [ConfirmationMode.ALWAYS]: 'asks before every act',
};

function configured({ confirmation, budget, fallbackModel }: SessionConfigured): string {
  const limits: string[] = [];
  if (budget !== undefined && budget.costMicros > 0n) limits.push(money(budget.costMicros, 'USD'));
  if (budget !== undefined && budget.steps > 0) limits.push(`${budget.steps} steps a turn`);
  if (budget !== undefined && budget.seconds > 0) limits.push(`${Math.round(budget.seconds / 60)} min a turn`);
  const parts = [`the agent ${MODES[confirmation] ?? 'asks as this installation does'}`];
  if (limits.length > 0) parts.push(`budget ${limits.join(', ')}`);
  if (fallbackModel !== '') parts.push(`fallback ${fallbackModel}`);
  return `Settings: ${parts.join(' · ')}`;
}
