import type { OpenTerminalResponse } from '@gen/lucid/sandbox/v1/commands_pb';
import { sandbox } from '@/lib/transport';

/** Which terminal, from which byte on, and how large it is here. */
export interface Opening {
  readonly sandboxId: string;
  readonly terminalId: string;
  readonly columns: number;
  readonly rows: number;
  readonly fromOffset: bigint;
  readonly attachOnly: boolean;
}

/** What happens in a terminal, until it ends or the signal says so; no time limit. */
export function openTerminal(opening: Opening, signal: AbortSignal): AsyncIterable<OpenTerminalResponse> {
  return sandbox.openTerminal(opening, { signal, timeoutMs: 0 });
}
