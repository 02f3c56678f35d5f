import { sandbox } from '@/lib/transport';

/** Types; how many of this writer's bytes are accepted so far. */
export async function writeTerminal(sandboxId: string, terminalId: string, writerId: string, offset: bigint, data: Uint8Array): Promise<bigint> {
  return (await sandbox.writeTerminal({ sandboxId, terminalId, writerId, offset, data })).accepted;
}
