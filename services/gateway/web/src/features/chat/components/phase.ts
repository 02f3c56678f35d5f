import { StatusChanged_Phase as Phase } from '@gen/lucid/sessions/v1/event_pb';

/** How a phase is shown: its words, its colour, a thin line in the chat or none, and whether the agent is at work. */
export interface PhaseLook {
  readonly name: string;
  readonly word: string;
  readonly look: 'busy' | 'ask' | 'idle' | 'off' | 'bad';
  readonly line: boolean;
  readonly busy: boolean;
  /** A message does not begin a turn of its own: it waits in the queue, or steers. */
  readonly queues: boolean;
}

function phase(name: string, word: string, look: PhaseLook['look'], busy: boolean, line = true, queues = busy): PhaseLook {
  return { name, word, look, line, busy, queues };
}

const LOOKS: Readonly<Partial<Record<Phase, PhaseLook>>> = {
  [Phase.QUEUED]: phase('queued', 'Queued', 'busy', true),
  [Phase.STARTING_SANDBOX]: phase('starting_sandbox', 'Starting the sandbox', 'busy', true),
  [Phase.CLONING]: phase('cloning', 'Cloning the repository', 'busy', true),
  [Phase.SETUP]: phase('setup', 'Setting up', 'busy', true),
  [Phase.RUNNING]: phase('running', 'Working', 'busy', true, false),
  [Phase.WAITING_USER]: phase('waiting_user', 'Waits for you', 'ask', false, false),
  [Phase.WAITING_APPROVAL]: phase('waiting_approval', 'Needs a decision', 'ask', true, false, false),
  [Phase.PAUSING]: phase('pausing', 'Pausing', 'off', true, false),
  [Phase.PAUSED]: phase('paused', 'Paused', 'off', false, false, true),
  [Phase.STOPPING]: phase('stopping', 'Stopping', 'off', true, false, false),
  [Phase.STOPPED]: phase('stopped', 'Stopped', 'off', false, false),
  [Phase.COMPLETED]: phase('completed', 'Done', 'idle', false, false),
  [Phase.FAILED]: phase('failed', 'Failed', 'bad', false, false),
  [Phase.SUSPENDED]: phase('suspended', 'Sandbox put away', 'off', false),
  [Phase.RESUMING]: phase('resuming', 'Taking up again', 'busy', true),
};

const LOADING = phase('loading', 'Loading', 'off', false, false);

/** How to show a phase; a phase that is not known here looks like loading. */
export function phaseLook(value: Phase): PhaseLook {
  return LOOKS[value] ?? LOADING;
}
