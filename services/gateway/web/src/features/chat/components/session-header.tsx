import type { ReactNode } from 'react';
import { useConnectionState } from '@/lib/stream-context';
import type { ConnectionState } from '@/lib/stream';
import type { Header } from '../stores/timeline-model';
import type { TimelineStore } from '../stores/timeline-store';
import { useTopic } from '../stores/use-timeline';
import { ChangesFact } from './changes-fact';
import { phaseLook } from './phase';
import { SandboxFacts } from './sandbox-facts';
import { UsageFacts } from './usage-facts';

interface SessionHeaderProps {
  readonly store: TimelineStore;
  /** What the session's record says, until the log has said more. */
  readonly known: { readonly title: string; readonly repository: string; readonly confinement: string; readonly model: string };
  /** The title, to be drawn so that a person can change it. */
  readonly drawTitle: (title: string) => ReactNode;
  readonly menu: ReactNode;
}

/** Title and facts of a session: repository, model, confinement, usage, phase, connection. */
export function SessionHeader({ store, known, drawTitle, menu }: SessionHeaderProps): ReactNode {
  useTopic(store, 'header');
  const { header } = store.timeline;
  const confinement = header.confinement || known.confinement;
  const model = header.model || known.model;
  const demo = header.demo || model === 'demo';
  const phase = phaseLook(header.phase);
  return (
    <div className="session-head">
      <div className="session-head-main">
        <h1 className="session-head-title">{drawTitle(header.title || known.title || 'Untitled')}</h1>
        {known.repository !== '' && <span className="session-head-repo muted">{known.repository}</span>}
      </div>
      <div className="session-head-facts">
        {demo && (
          <span className="badge badge-demo" data-testid="demo-badge" title="No model: a written plan, played through the real tools">
            Demo
          </span>
        )}
        {!demo && model !== '' && <span className="badge fact-extra">{model}</span>}
        {phase.look !== 'busy' && header.sandbox !== 'up' && <Asleep sandbox={header.sandbox} />}
        {confinement !== '' && <SandboxFacts level={confinement} network={header.network} lacks={header.lacks} />}
        <ChangesFact store={store} />
        <UsageFacts header={header} />
        <Connection />
        <span className={`pill pill-${phase.look}`} data-testid="status-phase" data-phase={phase.name} title={header.phaseMessage}>
          {phase.look === 'busy' && <span className="spinner" aria-hidden="true" />}
          {/* Who waits wants to know at which place. */}
          {(phase.name === 'queued' && header.phaseMessage) || phase.word}
        </span>
        <span className="session-head-menu">{menu}</span>
      </div>
    </div>
  );
}

const RESTS: Readonly<Record<Exclude<Header['sandbox'], 'up'>, string>> = {
  asleep: 'The sandbox is paused; everything in it is as it was',
  away: 'The container is gone, the files are kept',
  gone: 'The files were deleted; what was saved of them is brought back',
};

function Asleep({ sandbox }: { sandbox: Exclude<Header['sandbox'], 'up'> }): ReactNode {
  return (
    <span className="badge asleep" data-testid="asleep" data-sandbox={sandbox} title={RESTS[sandbox]}>
      Asleep<span className="asleep-more">, wakes with the next message</span>
    </span>
  );
}

const CONNECTIONS: Readonly<Record<ConnectionState, string>> = {
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  'signed-out': 'Signed out',
};

function Connection(): ReactNode {
  const state = useConnectionState();
  return (
    <span className={`connection connection-${state}`} role="status" data-testid="connection-state" data-state={state}>
      <span className="connection-word">{CONNECTIONS[state]}</span>
    </span>
  );
}
