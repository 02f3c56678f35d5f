import { Channel, StatusChanged_Phase as Phase } from '@gen/lucid/sessions/v1/event_pb';
import type { Event, TextCompleted } from '@gen/lucid/sessions/v1/event_pb';
import { millis } from '@/lib/format';
import type { Card, CardBase, TextCard } from './cards';
import { closeQuestions, closeWaiting } from './fold-approvals';
import { foldHeader } from './fold-header';
import { foldQueue } from './fold-queue';
import { foldSandbox } from './fold-sandbox';
import { eventLine } from './event-lines';
import { newOutput } from './output';
import { touch } from './timeline-model';
import type { Timeline } from './timeline-model';

type Payload = Event['payload'];
type Case = Exclude<Payload['case'], undefined>;
type Value<K extends Case> = Extract<Payload, { case: K }>['value'];
type Folders = { readonly [K in Case]?: (timeline: Timeline, event: Event, value: Value<K>) => void };

/** Tools whose work is shown by the card of another event. */
const SILENT_TOOLS = new Set(['run_command', 'edit_file', 'update_plan', 'open_pull_request', 'ask_user', 'finish']);

/** Adds the next event of the log to the timeline. The caller has checked that it is the next. */
export function fold(timeline: Timeline, event: Event): void {
  foldHeader(timeline, event);
  markShown(timeline, event);
  const payload = event.payload;
  const folder = payload.case === undefined ? undefined : FOLDERS[payload.case];
  if (folder !== undefined) (folder as (t: Timeline, e: Event, v: unknown) => void)(timeline, event, payload.value);
  else addLine(timeline, event);
}

const FOLDERS: Folders = {
  userMessage(timeline, event, value) {
    const id = `message:${value.clientMessageId || event.eventId}`;
    const { clientMessageId, text, author } = value;
    const waits = timeline.queue.some((entry) => entry.id === clientMessageId);
    if (!waits) closeQuestions(timeline);
    add(timeline, { ...base(event, id), kind: 'message', clientMessageId, text, author, hidden: waits });
  },

  queueChanged: foldQueue,

  textStarted(timeline, event, value) {
    const card = newText(event, value.channel);
    add(timeline, card);
    timeline.open.set(event.itemId, { card, channels: new Map() });
  },

  textCompleted(timeline, event, value) {
    const known = timeline.byId.get(`item:${event.itemId}`);
    const card = known?.kind === 'text' ? known : add(timeline, newText(event, value.channel));
    timeline.open.delete(event.itemId);
    completeText(card, event, value);
    touch(timeline, card);
  },

  commandStarted(timeline, event, value) {
    const card = add(timeline, { ...openBase(event), kind: 'command', started: value, live: newOutput(), completed: undefined });
    timeline.open.set(event.itemId, { card, channels: new Map() });
  },

  commandCompleted(timeline, event, value) {
    const known = timeline.byId.get(`item:${event.itemId}`);
    const card =
      known?.kind === 'command'
        ? known
        : // Its beginning is not loaded: nobody could tell what it was.
          add(timeline, { ...openBase(event), kind: 'command', started: undefined, live: newOutput(), completed: undefined, hidden: true });
    timeline.open.delete(event.itemId);
    card.completed = value;
    card.live = newOutput();
    card.seq = event.seq;
    touch(timeline, card);
  },

  fileEdited(timeline, event, value) {
    timeline.changes.files = true;
    add(timeline, { ...base(event, `diff:${event.seq}`), kind: 'diff', edit: value });
  },

  fileTreeChanged(timeline) {
    timeline.changes.files = true;
  },

  planUpdated(timeline, event, value) {
    const id = `plan:${event.turnId}`;
    const known = timeline.byId.get(id);
    if (known?.kind !== 'plan') {
      add(timeline, { ...base(event, id), kind: 'plan', plan: value });
      return;
    }
    known.plan = value;
    known.seq = event.seq;
    touch(timeline, known);
  },

  toolCallStarted(timeline, event, value) {
    if (SILENT_TOOLS.has(value.tool)) {
      timeline.silentTools.set(event.itemId, { tool: value.tool, title: value.title, shown: false });
      return;
    }
    const { tool, title, args } = value;
    add(timeline, { ...openBase(event), kind: 'tool', tool, title, args, result: undefined });
  },

  toolCallCompleted(timeline, event, value) {
    const result = { ok: value.ok, text: value.resultText, ms: Number(value.durationMs) };
    const known = timeline.byId.get(`item:${event.itemId}`);
    if (known?.kind === 'tool') {
      known.result = result;
      known.seq = event.seq;
      touch(timeline, known);
      return;
    }
    const silent = timeline.silentTools.get(event.itemId);
    timeline.silentTools.delete(event.itemId);
    // A tool that failed before any card of its own could tell so.
    if (silent === undefined || silent.shown || value.ok) return;
    const card = { ...base(event, `tool:${event.itemId}`), kind: 'tool', tool: silent.tool, title: silent.title } as const;
    add(timeline, { ...card, args: undefined, result });
  },

  statusChanged(timeline, event, value) {
    const before = timeline.cards.findLast((card) => card.kind === 'status');
    // A place in line that moves is one line that changes.
    if (before?.kind === 'status' && before.ms === undefined && value.phase === Phase.QUEUED && before.status.phase === Phase.QUEUED) {
      before.status = value;
      before.seq = event.seq;
      touch(timeline, before);
      return;
    }
    if (before?.kind === 'status' && before.ms === undefined) {
      before.ms = Number(value.phaseMs) || (millis(event.time) ?? 0) - (millis(before.time) ?? 0);
      touch(timeline, before);
    }
    add(timeline, { ...base(event, `status:${event.seq}`), kind: 'status', status: value, ms: undefined });
  },

  error(timeline, event, value) {
    add(timeline, { ...base(event, `error:${event.seq}`), kind: 'error', error: value });
  },

  approvalRequested(timeline, event, value) {
    const card = { ...base(event, `approval:${value.requestId}`), kind: 'approval', request: value } as const;
    timeline.waiting.add(add(timeline, { ...card, resolved: undefined, closed: '' }));
    timeline.changes.header = true;
  },

  approvalResolved(timeline, event, value) {
    const known = timeline.byId.get(`approval:${value.requestId}`);
    if (known?.kind !== 'approval') return;
    known.resolved = value;
    timeline.waiting.delete(known);
    timeline.changes.header = true;
    known.seq = event.seq;
    touch(timeline, known);
  },

  pullRequestChanged(timeline, event, value) {
    const id = `pull:${value.provider}/${value.repo}/${value.number}`;
    const known = timeline.byId.get(id);
    if (known?.kind !== 'pull-request') {
      add(timeline, { ...base(event, id), kind: 'pull-request', pull: value });
      return;
    }
    known.pull = value;
    known.seq = event.seq;
    touch(timeline, known);
  },

  turnCompleted(timeline, event, value) {
    closeWaiting(timeline);
    // A long answer's summary is only its beginning.
    const answer = timeline.cards.findLast((card) => card.kind === 'text' && card.channel === 'message');
    const said = answer?.kind === 'text' && answer.turnId === event.turnId && answer.text.trim().startsWith(value.summary.trim());
    add(timeline, { ...base(event, `turn:${event.seq}`), kind: 'turn', turn: value, summary: said ? '' : value.summary });
  },

  turnStarted(timeline) {
    timeline.turnKnown = true;
  },

  checkpointCreated(timeline, event, value) {
    if (value.reason !== 'rewind') return;
    const undoId = value.checkpointId.startsWith('rewind-') ? value.checkpointId.replace('rewind-', 'before-') : '';
    add(timeline, { ...base(event, `rewind:${event.seq}`), kind: 'rewind', files: value.files, left: value.left, undoId });
  },

  sandboxChanged(timeline, event, value) {
    const card = foldSandbox(timeline, event, value);
    if (card !== undefined) add(timeline, card);
  },

  // In the header; no card of their own.
  usage: nothing,
  titleChanged: nothing,
  diffSnapshot: nothing,
};

function nothing(): void {
  // The header has taken what there is.
}

function completeText(card: TextCard, event: Event, value: TextCompleted): void {
  card.channel = value.channel === Channel.MESSAGE ? 'message' : 'thought';
  card.text = value.text;
  card.open = false;
  card.interrupted = value.interrupted;
  card.reset = value.reset;
  card.seq = event.seq;
}

function newText(event: Event, channel: Channel): TextCard {
  const kind = channel === Channel.MESSAGE ? 'message' : 'thought';
  return { ...openBase(event), kind: 'text', channel: kind, text: '', open: true, interrupted: false, reset: false };
}

function addLine(timeline: Timeline, event: Event): void {
  add(timeline, { ...base(event, `line:${event.seq}`), kind: 'line', ...eventLine(event) });
}

function base(event: Event, id: string): CardBase {
  return { id, seq: event.seq, time: event.time, turnId: event.turnId, version: 0, hidden: false };
}

function openBase(event: Event): CardBase {
  return { ...base(event, `item:${event.itemId}`), seq: 0 };
}

function add<C extends Card>(timeline: Timeline, card: C): C {
  timeline.cards.push(card);
  if (card.kind === 'command' && !card.hidden) timeline.commands.push(card);
  timeline.byId.set(card.id, card);
  timeline.changes.list = true;
  return card;
}

/** A silent tool has been shown once any event of its own stands in the log. */
function markShown(timeline: Timeline, event: Event): void {
  if (event.payload.case === 'toolCallStarted' || event.payload.case === 'toolCallCompleted') return;
  const cause = event.payload.case === 'fileEdited' ? event.payload.value.causeItemId : '';
  for (const itemId of [event.itemId, event.parentItemId, cause]) {
    const silent = timeline.silentTools.get(itemId);
    if (silent !== undefined) silent.shown = true;
  }
}
