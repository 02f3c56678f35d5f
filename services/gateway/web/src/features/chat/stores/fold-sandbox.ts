import { SandboxChanged_State as State } from '@gen/lucid/sessions/v1/event_pb';
import type { Event, SandboxChanged } from '@gen/lucid/sessions/v1/event_pb';
import { duration, millis, size } from '@/lib/format';
import type { LineCard } from './cards';
import { touch } from './timeline-model';
import type { Timeline } from './timeline-model';

/** What becomes of a sandbox that nobody uses, as thin lines; a sleep and its end are one of them. */
export function foldSandbox(timeline: Timeline, event: Event, value: SandboxChanged): LineCard | undefined {
  if (value.state === State.RESUMED) {
    woken(timeline, event);
    return undefined;
  }
  const text = lineOf(value);
  if (text === '') return undefined;
  const last = timeline.cards.at(-1);
  // One sleep after the other, without anything in between, is one line that is kept up to date.
  if (value.state === State.PAUSED && last?.kind === 'line' && last.id.startsWith('sleep:')) {
    last.text = text;
    touch(timeline, last);
    return undefined;
  }
  const id = value.state === State.PAUSED ? `sleep:${event.seq}` : `line:${event.seq}`;
  const card = { id, seq: event.seq, time: event.time, turnId: event.turnId, version: 0, hidden: false };
  return { ...card, kind: 'line', text, href: hrefOf(event, value), detail: '' };
}

function woken(timeline: Timeline, event: Event): void {
  const sleep = timeline.cards.findLast((card) => card.id.startsWith('sleep:'));
  if (sleep?.kind !== 'line') return;
  const slept = (millis(event.time) ?? 0) - (millis(sleep.time) ?? 0);
  sleep.text = `The sandbox slept ${duration(Math.max(0, slept))}`;
  touch(timeline, sleep);
}

function lineOf(value: SandboxChanged): string {
  switch (value.state) {
    case State.PAUSED:
      return 'The sandbox sleeps';
    case State.IDLE_WARNING:
      return `The sandbox will be put away${at(value)} unless you go on; its files stay`;
    case State.SAVED:
      return saved(value);
    case State.HIBERNATED:
      return 'The sandbox was put away; its files are kept';
    case State.DESTROYED:
      return 'Nobody came back for long: the files of the sandbox were deleted';
    case State.LOST:
      return `The sandbox went away${value.reason === '' ? '' : `: ${value.reason}`}`;
    case State.REBUILT:
      if (value.message !== '') return `The sandbox was ${value.message.charAt(0).toLowerCase()}${value.message.slice(1, -1)}`;
      return value.workspaceKept || value.workspaceId === '' ? 'The sandbox is back on its files' : 'A new sandbox: the files of before are gone';
    case State.RESTORED:
      return `Brought back: ${work(value)}${value.reason === '' ? '' : `. Not brought back: ${value.reason}`}`;
    default:
      return '';
  }
}

function at(value: SandboxChanged): string {
  const deadline = millis(value.idleDeadline);
  if (deadline === undefined) return '';
  return ` at ${new Date(deadline).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' })}`;
}

function saved(value: SandboxChanged): string {
  if (value.commits === 0 && value.files === 0) return '';
  const left = value.reason === '' ? '' : `; left out: ${value.reason}`;
  return `Saved what was not pushed: ${work(value)} (${size(Number(value.checkpointBytes))})${left}`;
}

function work(value: SandboxChanged): string {
  const commits = `${value.commits} ${value.commits === 1 ? 'commit' : 'commits'}`;
  return `${commits}, ${value.files} changed ${value.files === 1 ? 'file' : 'files'}`;
}

/** The checkpoint's file, to save. */
function hrefOf(event: Event, value: SandboxChanged): string {
  const offered = value.state === State.SAVED || value.state === State.DESTROYED;
  if (!offered || value.checkpointId === '') return '';
  return `/api/v1/sessions/${encodeURIComponent(event.sessionId)}/checkpoints/${encodeURIComponent(value.checkpointId)}`;
}
