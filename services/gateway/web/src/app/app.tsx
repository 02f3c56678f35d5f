import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Route, Switch } from 'wouter';
import { accountQuery } from '@/features/accounts/api/get-account';
import { Button } from '@/components/ui/button';
import { Notice, Spinner } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { HomeRoute } from './routes/home';
import { NotFoundRoute } from './routes/not-found';
import { PullRequestRoute } from './routes/pull-request';
import { SessionRoute } from './routes/session';
import { SettingsRoute } from './routes/settings';
import { SignInRoute } from './routes/sign-in';
import { Shell } from './shell';
import { useTheme } from './theme';

/** The page: the sign-in form for strangers, the routes for people. */
export function App(): ReactNode {
  const theme = useTheme();
  const account = useQuery(accountQuery);
  if (account.isPending) {
    return (
      <main className="splash">
        <Spinner label="Loading" />
      </main>
    );
  }
  if (account.isError) {
    return (
      <main className="splash">
        <Notice text={errorText(account.error)} />
        <Button onClick={() => void account.refetch()}>Try again</Button>
      </main>
    );
  }
  if (account.data === null) return <SignInRoute />;
  return (
    <Shell user={account.data} theme={theme}>
      <Switch>
        <Route path="/">
          <HomeRoute />
        </Route>
        <Route path="/settings">
          <SettingsRoute />
        </Route>
        <Route path="/sessions/:id">{({ id }) => <SessionRoute key={id} sessionId={id} />}</Route>
        <Route path="/pulls/local/:owner/:name/:number">
          {({ owner, name, number }) => <PullRequestRoute repo={`${owner}/${name}`} number={Number(number)} />}
        </Route>
        <Route>
          <NotFoundRoute />
        </Route>
      </Switch>
    </Shell>
  );
}
