import type { CommandCompleted } from '@gen/lucid/sessions/v1/event_pb';
import type { LiveOutput } from './cards';

// Of a running command that much is kept in the page; the whole stays with the server.
const TEXT_LIMIT = 256 * 1024;
const CHUNK_LIMIT = 1024 * 1024;

/** Output of a command that has just begun. */
export function newOutput(): LiveOutput {
  return { text: '', clipped: false, chunks: [], chunkBytes: 0 };
}

/** Adds what was printed; lets the oldest go beyond the bounds. */
export function appendOutput(live: LiveOutput, text: string, offset: number, bytes: Uint8Array): void {
  live.text += text;
  if (live.text.length > TEXT_LIMIT) {
    live.text = live.text.slice(live.text.length - TEXT_LIMIT / 2);
    live.clipped = true;
  }
  live.chunks.push({ offset, bytes });
  live.chunkBytes += bytes.length;
  while (live.chunkBytes > CHUNK_LIMIT) live.chunkBytes -= live.chunks.shift()?.bytes.length ?? live.chunkBytes;
}

/** The output as the completed event has it, with a word where the middle is left out. */
export function finalText(completed: CommandCompleted): string {
  const head = new TextDecoder().decode(completed.head);
  if (!completed.truncated) return head;
  return `${head}\n${gap(completed)}\n${new TextDecoder().decode(completed.tail)}`;
}

/** The word for the middle that is left out. */
export function gap(completed: CommandCompleted): string {
  const left = completed.totalBytes - completed.head.length - completed.tail.length;
  return `… ${left.toLocaleString('en')} bytes left out …`;
}
