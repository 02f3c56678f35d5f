import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { ReactNode } from 'react';
import { createPortal } from 'react-dom';
import { Link, useLocation } from 'wouter';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import type { IconName } from '@/components/ui/icon';
import { accountQuery } from '@/features/accounts/api/get-account';
import { ChatPane } from '@/features/chat/components/chat-pane';
import { Me } from '@/features/chat/components/me';
import { PullFactsSlot } from '@/features/chat/components/pull-facts-slot';
import type { DrawPullFacts } from '@/features/chat/components/pull-facts-slot';
import { SessionHeader } from '@/features/chat/components/session-header';
import { TerminalPane } from '@/features/chat/components/terminal-pane';
import type { TimelineStore } from '@/features/chat/stores/timeline-store';
import { useTimeline, useTopic } from '@/features/chat/stores/use-timeline';
import { Explorer } from '@/features/files/components/explorer';
import { PullFacts } from '@/features/pulls/components/pull-facts';
import { sessionQuery } from '@/features/sessions/api/get-session';
import { SessionMenu } from '@/features/sessions/components/session-menu';
import { TitleField } from '@/features/sessions/components/title-field';
import { useNarrow } from '@/lib/media';
import { useSetting } from '@/lib/setting';
import { useBarRoom } from '../bar-room';

const drawPullFacts: DrawPullFacts = (repo, number, logged) => (
  <PullFacts repo={repo} number={number}>
    {logged}
  </PullFacts>
);

/** A session: explorer, chat, terminal; on a phone one of them at a time. */
export function SessionRoute({ sessionId }: { sessionId: string }): ReactNode {
  const store = useTimeline(sessionId);
  const client = useQueryClient();
  const session = useQuery(sessionQuery(sessionId)).data;
  const narrow = useNarrow();
  const room = useBarRoom();
  const [tab, setTab] = useState('chat');
  const [renaming, setRenaming] = useState(false);
  const [, navigate] = useLocation();
  const me = useQuery(accountQuery).data?.userId ?? '';
  useTopic(store, 'header');
  const { endedBy } = store;
  useEffect(() => {
    if (endedBy === 'UNAUTHENTICATED') client.setQueryData(accountQuery.queryKey, null);
  }, [endedBy, client]);
  if (endedBy === 'SESSION_NOT_FOUND') return <Gone />;
  const repository = session?.repository;
  const known = {
    title: session?.title ?? '',
    repository: repository?.fullName || repository?.url || '',
    confinement: session?.confinement ?? '',
    model: session?.model ?? '',
  };
  const title = store.timeline.header.title || known.title;
  const header = (
    <SessionHeader
      store={store}
      known={known}
      drawTitle={(shown) => (renaming ? <TitleField sessionId={sessionId} title={title} onDone={() => setRenaming(false)} /> : <Title text={shown} onRename={() => setRenaming(true)} />)}
      menu={
        <SessionMenu
          sessionId={sessionId}
          title={title}
          policy={store.timeline.header.settings ?? session ?? {}}
          onRename={() => setRenaming(true)}
          onDeleted={() => navigate('/')}
        />
      }
    />
  );
  return (
    <div className="session" data-tab={tab}>
      {room === null || narrow ? header : createPortal(header, room)}
      <Tabs tab={tab} onChange={setTab} />
      <div className="panes">
        <Pane name="files" title="Files" icon="left">
          <Files sessionId={sessionId} store={store} known={session?.sandboxId ?? ''} />
        </Pane>
        <PullFactsSlot value={drawPullFacts}>
          <Me value={me}>
            <ChatPane store={store} />
          </Me>
        </PullFactsSlot>
        <Pane name="terminal" title="Terminal" icon="right">
          <TerminalPane store={store} />
        </Pane>
      </div>
    </div>
  );
}

/** Pressed twice it can be changed, as in the menu. */
function Title({ text, onRename }: { text: string; onRename: () => void }): ReactNode {
  return (
    <span title={`${text} (double-click to rename)`} data-testid="session-title" onDoubleClick={onRename}>
      {text}
    </span>
  );
}

function Files({ sessionId, store, known }: { sessionId: string; store: TimelineStore; known: string }): ReactNode {
  useTopic(store, 'header');
  const revision = useTopic(store, 'files');
  return <Explorer sessionId={sessionId} sandboxId={store.timeline.header.sandboxId || known} revision={revision} />;
}

interface PaneProps {
  readonly name: string;
  readonly title: string;
  readonly icon: IconName;
  readonly children: ReactNode;
}

/** A side pane that can be folded away to a narrow strip. */
function Pane({ name, title, icon, children }: PaneProps): ReactNode {
  const [state, setState] = useSetting(`pane.${name}`, 'open');
  const open = state === 'open';
  return (
    <section className={`pane pane-${name} ${open ? '' : 'pane-folded'}`} aria-label={title}>
      <header className="pane-head">
        <span className="pane-title">{title}</span>
        <Button
          look="quiet"
          className="button-icon pane-fold"
          aria-label={`${open ? 'Fold' : 'Unfold'} ${title}`}
          aria-expanded={open}
          onClick={() => setState(open ? 'folded' : 'open')}
        >
          <Icon name={icon} />
        </Button>
      </header>
      <div className="pane-body">{children}</div>
    </section>
  );
}

const TABS: readonly (readonly [string, string, IconName])[] = [
  ['files', 'Files', 'folder'],
  ['chat', 'Chat', 'chat'],
  ['terminal', 'Terminal', 'terminal'],
];

function Tabs({ tab, onChange }: { tab: string; onChange: (tab: string) => void }): ReactNode {
  return (
    <div className="tabs" role="tablist" aria-label="Panes">
      {TABS.map(([name, title, icon]) => (
        <button key={name} type="button" role="tab" className="tab" aria-selected={tab === name} onClick={() => onChange(name)}>
          <Icon name={icon} size={14} /> {title}
        </button>
      ))}
    </div>
  );
}

function Gone(): ReactNode {
  return (
    <div className="page">
      <h1>Not here</h1>
      <p>
        This conversation does not exist or is not yours. <Link href="/">Start another one</Link>
      </p>
    </div>
  );
}
