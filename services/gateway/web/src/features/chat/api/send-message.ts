import { UserMessage_Delivery as Delivery } from '@gen/lucid/sessions/v1/event_pb';
import { sessions } from '@/lib/transport';

/** Adds a person's message; safe to repeat with the same clientMessageId. `steer`: before the next model call. */
export async function sendMessage(sessionId: string, text: string, clientMessageId: string, steer: boolean): Promise<void> {
  const delivery = steer ? Delivery.STEER : Delivery.UNSPECIFIED;
  await sessions.sendMessage({ sessionId, text, clientMessageId, delivery });
}
