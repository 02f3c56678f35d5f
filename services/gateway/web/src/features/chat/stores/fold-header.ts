import { SandboxChanged_State } from '@gen/lucid/sessions/v1/event_pb';
import type { Event, SandboxChanged, StatusChanged, Usage } from '@gen/lucid/sessions/v1/event_pb';
import type { Header, Timeline } from './timeline-model';

/** Calls that are kept for the list of the last ones. */
const CALLS = 20;

/** Takes what an event says about the session as a whole into the header. */
export function foldHeader(timeline: Timeline, event: Event): void {
  if (change(timeline.header, event)) timeline.changes.header = true;
}

function change(header: Header, event: Event): boolean {
  switch (event.payload.case) {
    case 'statusChanged':
      return status(header, event.payload.value);
    case 'usage':
      return usage(header, event.seq, event.payload.value);
    case 'sandboxChanged':
      return sandbox(header, event.payload.value);
    case 'sessionConfigured':
      header.settings = event.payload.value;
      return true;
    case 'diffSnapshot':
      header.soFar = event.payload.value;
      return true;
    case 'titleChanged':
      header.title = event.payload.value.title;
      return true;
    case 'turnStarted':
    case 'modelSelected':
      return model(header, event.payload.value.model);
    default:
      return false;
  }
}

function status(header: Header, value: StatusChanged): boolean {
  header.phase = value.phase;
  header.phaseMessage = value.message;
  if (value.detailCode === 'mock') header.demo = true;
  return true;
}

function model(header: Header, name: string): boolean {
  if (name === '') return false;
  header.model = name;
  header.demo = name === 'demo' || name.startsWith('demo/');
  return true;
}

function usage(header: Header, seq: number, value: Usage): boolean {
  header.calls = [...header.calls.slice(1 - CALLS), { seq, usage: value }];
  header.tokens += value.inputTokens + value.outputTokens + value.cacheReadTokens + value.cacheWriteTokens;
  header.costMicros = value.sessionCostMicros;
  if (value.currency !== '') header.currency = value.currency;
  header.priceKnown &&= value.priceKnown;
  // A call beside the work, such as for the title, has no context of its own.
  if (value.contextUsed > 0) {
    header.contextUsed = value.contextUsed;
    header.contextWindow = value.contextWindow;
    header.budgetMicros = value.budgetMicros;
  }
  return true;
}

function sandbox(header: Header, value: SandboxChanged): boolean {
  if (value.sandboxId !== '') header.sandboxId = value.sandboxId;
  const usable = value.state === SandboxChanged_State.READY || value.state === SandboxChanged_State.REBUILT;
  if (usable && value.reason !== '') header.confinement = value.reason;
  if (usable) header.lacks = value.lacks;
  header.sandbox = LIVES[value.state] ?? header.sandbox;
  if (usable) header.network = { mode: value.network, allowed: value.allowedHosts };
  return true;
}

const LIVES: Readonly<Partial<Record<SandboxChanged_State, Header['sandbox']>>> = {
  [SandboxChanged_State.READY]: 'up',
  [SandboxChanged_State.RESUMED]: 'up',
  [SandboxChanged_State.REBUILT]: 'up',
  [SandboxChanged_State.PAUSED]: 'asleep',
  [SandboxChanged_State.HIBERNATED]: 'away',
  [SandboxChanged_State.LOST]: 'away',
  [SandboxChanged_State.DESTROYED]: 'gone',
};
