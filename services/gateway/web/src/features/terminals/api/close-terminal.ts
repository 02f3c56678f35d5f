import { sandbox } from '@/lib/transport';

/** Ends a terminal and what runs in it. */
export async function closeTerminal(sandboxId: string, terminalId: string): Promise<void> {
  await sandbox.closeTerminal({ sandboxId, terminalId });
}
