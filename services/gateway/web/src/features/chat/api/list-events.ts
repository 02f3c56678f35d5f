import type { Event } from '@gen/lucid/sessions/v1/event_pb';
import { sessions } from '@/lib/transport';

/** The events right before one of the log, in order; at most `limit`. */
export async function listEventsBefore(sessionId: string, beforeSeq: number, limit: number): Promise<Event[]> {
  return (await sessions.listEvents({ sessionId, beforeSeq, pageSize: limit })).events;
}
