import { sandbox } from '@/lib/transport';

/** Gives a terminal the size that it has here. */
export async function resizeTerminal(sandboxId: string, terminalId: string, columns: number, rows: number): Promise<void> {
  await sandbox.resizeTerminal({ sandboxId, terminalId, columns, rows });
}
