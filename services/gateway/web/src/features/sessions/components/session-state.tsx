import type { ReactNode } from 'react';
import { Session_State } from '@gen/lucid/sessions/v1/sessions_pb';

const WORDS: Readonly<Record<Session_State, readonly [string, string]>> = {
  [Session_State.UNSPECIFIED]: ['Unknown', 'idle'],
  [Session_State.STARTING]: ['Starting', 'busy'],
  [Session_State.RUNNING]: ['Working', 'busy'],
  [Session_State.WAITING]: ['Asks you', 'ask'],
  [Session_State.IDLE]: ['Done', 'idle'],
  [Session_State.STOPPED]: ['Stopped', 'off'],
  [Session_State.FAILED]: ['Failed', 'bad'],
  [Session_State.PAUSED]: ['Paused', 'off'],
};

/** A dot with the state's word for those who do not see it. */
export function SessionState({ state }: { state: Session_State }): ReactNode {
  const [word, look] = WORDS[state] as readonly [string, string] | undefined ?? ['Unknown', 'idle'];
  return <span className={`dot dot-${look}`} role="img" aria-label={word} title={word} />;
}
