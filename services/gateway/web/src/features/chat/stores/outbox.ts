import { Code } from '@connectrpc/connect';
import { useCallback, useEffect, useRef, useState } from 'react';
import { errorText, toFailure } from '@/lib/errors';
import { newId } from '@/lib/id';
import { Backoff } from '@/lib/backoff';
import { sendMessage } from '../api/send-message';
import type { TimelineStore } from './timeline-store';
import { useTopic } from './use-timeline';

/** A message that is on its way: shown at once, gone when the log has it. */
export interface Outgoing {
  readonly id: string;
  readonly text: string;
  readonly steer: boolean;
  readonly error: string;
}

const ATTEMPTS = 6;

export interface Outbox {
  readonly outgoing: readonly Outgoing[];
  readonly send: (text: string, steer?: boolean) => void;
  readonly resend: (id: string) => void;
  readonly discard: (id: string) => void;
}

/** Sends messages exactly once: a repeat carries the same id, and the log's own event confirms the bubble. */
export function useOutbox(store: TimelineStore): Outbox {
  const [all, setAll] = useState<readonly Outgoing[]>([]);
  const gone = useRef(false);
  useEffect(() => {
    gone.current = false;
    return () => {
      gone.current = true;
    };
  }, []);
  useTopic(store, 'list');
  useTopic(store, 'header');

  const deliver = useCallback(
    async (id: string, text: string, steer: boolean) => {
      setAll((before) => before.map((message) => (message.id === id ? { ...message, error: '' } : message)));
      const backoff = new Backoff(500, 5_000);
      for (let attempt = 1; !gone.current; attempt += 1) {
        try {
          await sendMessage(store.sessionId, text, id, steer);
          return;
        } catch (failure) {
          if (attempt < ATTEMPTS && mayPass(failure)) await pause(backoff.next());
          else {
            const error = errorText(failure);
            setAll((before) => before.map((message) => (message.id === id ? { ...message, error } : message)));
            return;
          }
        }
      }
    },
    [store],
  );

  return {
    outgoing: all.filter(({ id }) => !isInLog(store, id)),
    send(text, steer = false) {
      const id = newId();
      setAll((before) => [...before.filter((message) => !isInLog(store, message.id)), { id, text, steer, error: '' }]);
      void deliver(id, text, steer);
    },
    resend(id) {
      const message = all.find((one) => one.id === id);
      if (message !== undefined) void deliver(id, message.text, message.steer);
    },
    discard: (id) => setAll((before) => before.filter((message) => message.id !== id)),
  };
}

function isInLog(store: TimelineStore, id: string): boolean {
  return store.card(`message:${id}`) !== undefined || store.timeline.queued.has(id);
}

function mayPass(failure: unknown): boolean {
  const { code } = toFailure(failure);
  return code === Code.Unavailable || code === Code.DeadlineExceeded || code === Code.Unknown;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
