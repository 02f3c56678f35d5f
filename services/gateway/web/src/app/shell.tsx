import { useState } from 'react';
import type { ReactNode } from 'react';
import { Link, useLocation, useRoute } from 'wouter';
import type { User } from '@gen/lucid/gateway/v1/accounts_pb';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { SessionList } from '@/features/sessions/components/session-list';
import { useNarrow } from '@/lib/media';
import { useSetting } from '@/lib/setting';
import { BarRoom } from './bar-room';
import { SideFoot } from './side-foot';
import type { ThemeChoice } from './theme';

interface ShellProps {
  readonly user: User;
  readonly theme: ThemeChoice;
  readonly children: ReactNode;
}

/** The frame around every route: the conversations on the left, the route beside them. */
export function Shell({ user, theme, children }: ShellProps): ReactNode {
  const [room, setRoom] = useState<HTMLElement | null>(null);
  const [, navigate] = useLocation();
  const [inSession, params] = useRoute('/sessions/:id');
  const side = useSide(inSession);
  const current = inSession ? params.id : '';
  return (
    <div className={`shell ${side.open ? 'shell-open' : ''} ${inSession ? 'shell-session' : ''}`}>
      <header className="bar">
        <Button look="quiet" className="button-icon" aria-label="Conversations" aria-expanded={side.open} onClick={side.toggle}>
          <Icon name="menu" />
        </Button>
        <Link href="/" className="brand">
          <img src="/icon.svg" alt="" width="22" height="22" /> <span className="brand-name">Lucid AI</span>
        </Link>
        <div className="bar-room" ref={setRoom} />
      </header>
      {side.open && (
        <nav className="side" aria-label="Conversations and settings">
          <Link href="/" className="button button-primary" data-testid="new-session">
            <Icon name="plus" /> New session
          </Link>
          <SessionList
            current={current}
            onDeleted={(id) => {
              if (id === current) navigate('/');
            }}
          />
          <SideFoot user={user} theme={theme} />
        </nav>
      )}
      <main className="main">
        <BarRoom value={room}>{children}</BarRoom>
      </main>
    </div>
  );
}

/** Beside a session the three panes need the room; on a phone the side lies over the page until one goes somewhere. */
function useSide(inSession: boolean): { open: boolean; toggle: () => void } {
  const narrow = useNarrow();
  const [location] = useLocation();
  const [overAt, setOverAt] = useState('');
  const [home, setHome] = useSetting('side', 'open');
  const [session, setSession] = useSetting('side.session', 'closed');
  if (narrow) return { open: overAt === location, toggle: () => setOverAt(overAt === location ? '' : location) };
  const [value, set] = inSession ? [session, setSession] : [home, setHome];
  return { open: value === 'open', toggle: () => set(value === 'open' ? 'closed' : 'open') };
}
