import { ConfirmationMode, ModelSelected_Reason as Reason, StuckDetected_Action as Action } from '@gen/lucid/sessions/v1/event_pb';
import type { ContextCompacted, Event, ModelSelected, SessionConfigured, StuckDetected } from '@gen/lucid/sessions/v1/event_pb';
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
