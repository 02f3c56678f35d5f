import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import type { User } from '@gen/lucid/gateway/v1/accounts_pb';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { accountQuery } from '@/features/accounts/api/get-account';
import { signOut } from '@/features/accounts/api/sign-in';
import type { Theme, ThemeChoice } from './theme';

const THEMES = { system: 'as the system', dark: 'dark', light: 'light' } as const;
const ICONS = { system: 'contrast', dark: 'moon', light: 'sun' } as const satisfies Record<Theme, string>;

/** Who is signed in, the theme, the settings, the way out. */
export function SideFoot({ user, theme }: { user: User; theme: ThemeChoice }): ReactNode {
  const client = useQueryClient();
  const leave = useMutation({
    mutationFn: signOut,
    onSuccess: () => {
      client.clear();
      client.setQueryData(accountQuery.queryKey, null);
    },
  });
  const name = THEMES[theme.theme];
  return (
    <footer className="side-foot">
      <span className="side-user" title={user.email}>
        {user.email}
      </span>
      <Button look="quiet" className="button-icon" aria-label={`Theme: ${name}. Change it`} title={`Theme: ${name}`} onClick={theme.next}>
        <Icon name={ICONS[theme.theme]} />
      </Button>
      <Link href="/settings" className="button button-quiet button-icon" aria-label="Settings" title="Settings" data-testid="settings">
        <Icon name="settings" />
      </Link>
      <Button look="quiet" className="button-icon" aria-label="Sign out" title="Sign out" data-testid="sign-out" onClick={() => leave.mutate()}>
        <Icon name="leave" />
      </Button>
    </footer>
  );
}
