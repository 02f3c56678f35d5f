import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRef } from 'react';
import type { NetworkMode } from '@gen/lucid/sessions/v1/event_pb';
import { newId } from '@/lib/id';
import { sessions } from '@/lib/transport';
import type { Environment } from '../components/environment';
import type { Policy } from '../components/policy';

export interface NewSession extends Partial<Policy> {
  readonly task: string;
  readonly model: string;
  readonly network: NetworkMode;
  readonly environment?: Environment;
  readonly repository?: { readonly provider: string; readonly fullName: string; readonly url: string };
}

/** Makes a session. The same wish pressed again after a lost answer carries the same request id: no second session. */
export function useCreateSession(onCreated: (sessionId: string) => void) {
  const client = useQueryClient();
  const attempt = useRef({ wish: '', requestId: '' });
  return useMutation({
    mutationFn: async (wanted: NewSession) => {
      const wish = JSON.stringify(wanted, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
      if (attempt.current.wish !== wish) attempt.current = { wish, requestId: newId() };
      const { session } = await sessions.createSession({ ...wanted, requestId: attempt.current.requestId });
      return session?.sessionId ?? '';
    },
    onSuccess: async (sessionId) => {
      onCreated(sessionId);
      await client.invalidateQueries({ queryKey: ['sessions'] });
    },
  });
}
