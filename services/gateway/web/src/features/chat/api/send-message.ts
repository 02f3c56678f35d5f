import { sessions } from '@/lib/transport';

/** Adds a person's message; safe to repeat with the same clientMessageId. */
export async function sendMessage(sessionId: string, text: string, clientMessageId: string): Promise<void> {
  await sessions.sendMessage({ sessionId, text, clientMessageId });
}
