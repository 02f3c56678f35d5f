import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link, useLocation, useRoute } from 'wouter';
import type { User } from '@gen/lucid/gateway/v1/accounts_pb';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { signOut } from '@/features/accounts/api/sign-in';
import { accountQuery } from '@/features/accounts/api/get-account';
import { SessionList } from '@/features/sessions/components/session-list';
import { useSetting } from '@/lib/setting';
import type { Theme } from './theme';

interface ShellProps {
  readonly user: User;
  readonly theme: { readonly theme: Theme; readonly next: () => void };
  readonly children: ReactNode;
}

/** The frame around every route: the conversations on the left, the route beside them. */
export function Shell({ user, theme, children }: ShellProps): ReactNode {
  const [side, setSide] = useSetting('side', 'open');
  const [, navigate] = useLocation();
  const [inSession, params] = useRoute('/sessions/:id');
  const current = inSession ? params.id : '';
  return (
    <div className={`shell ${side === 'open' ? 'shell-open' : ''} ${inSession ? 'shell-session' : ''}`}>
      <TopBar onToggle={() => setSide(side === 'open' ? 'closed' : 'open')} open={side === 'open'} />
      <nav className="side" aria-label="Conversations and settings">
        <Link href="/" className="button button-primary side-new" data-testid="new-session">
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
      <main className="main">{children}</main>
    </div>
  );
}

function TopBar({ onToggle, open }: { onToggle: () => void; open: boolean }): ReactNode {
  return (
    <header className="bar">
      <Button look="quiet" className="button-icon bar-toggle" aria-label="Conversations" aria-pressed={open} onClick={onToggle}>
        <Icon name="menu" />
      </Button>
      <Link href="/" className="brand">
        <img src="/icon.svg" alt="" width="22" height="22" /> Lucid AI
      </Link>
      <span className="bar-room" id="bar-room" />
      <Link href="/" className="button button-quiet button-icon bar-phone" aria-label="New session">
        <Icon name="plus" />
      </Link>
      <Link href="/settings" className="button button-quiet button-icon bar-phone" aria-label="Settings">
        <Icon name="settings" />
      </Link>
    </header>
  );
}

const THEMES: Readonly<Record<Theme, string>> = { system: 'as the system', dark: 'dark', light: 'light' };

function SideFoot({ user, theme }: Pick<ShellProps, 'user' | 'theme'>): ReactNode {
  const client = useQueryClient();
  const leave = useMutation({
    mutationFn: signOut,
    onSuccess: () => {
      client.clear();
      client.setQueryData(accountQuery.queryKey, null);
    },
  });
  return (
    <footer className="side-foot">
      <span className="side-user" title={user.email}>
        {user.email}
      </span>
      <Button
        look="quiet"
        className="button-icon"
        aria-label={`Theme: ${THEMES[theme.theme]}. Change it`}
        title={`Theme: ${THEMES[theme.theme]}`}
        onClick={theme.next}
      >
        <Icon name={theme.theme === 'dark' ? 'moon' : theme.theme === 'light' ? 'sun' : 'bulb'} />
      </Button>
      <Link href="/settings" className="button button-quiet button-icon" aria-label="Settings" title="Settings">
        <Icon name="settings" />
      </Link>
      <Button look="quiet" className="button-icon" aria-label="Sign out" title="Sign out" onClick={() => leave.mutate()}>
        <Icon name="leave" />
      </Button>
    </footer>
  );
}
