import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Notice, Spinner } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { installationQuery } from '../api/get-installation';
import { signIn } from '../api/sign-in';

/** The ways to sign in that are switched on. */
export function SignInForm({ onSignedIn }: { onSignedIn: () => Promise<void> }): ReactNode {
  const installation = useQuery(installationQuery);
  if (installation.isPending) return <Spinner label="One moment" />;
  if (installation.isError) return <Notice text={errorText(installation.error)} />;
  if (installation.data.devLogin) return <EmailForm onSignedIn={onSignedIn} />;
  return <Notice look="info" text="No way to sign in is switched on here. Ask the operator." />;
}

function EmailForm({ onSignedIn }: { onSignedIn: () => Promise<void> }): ReactNode {
  const [email, setEmail] = useState('');
  const attempt = useMutation({
    mutationFn: async () => {
      await signIn(email.trim());
      await onSignedIn();
    },
  });
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        attempt.mutate();
      }}
    >
      <label className="field">
        <span className="field-label">E-mail</span>
        <input
          className="input"
          type="email"
          name="email"
          autoComplete="email"
          required
          autoFocus
          value={email}
          placeholder="you@example.com"
          data-testid="sign-in-email"
          onChange={(event) => setEmail(event.target.value)}
        />
      </label>
      <Notice text={attempt.isError ? errorText(attempt.error) : ''} />
      <Button type="submit" look="primary" busy={attempt.isPending} data-testid="sign-in-submit">
        Sign in
      </Button>
      <p className="hint">Development sign-in: any address works, and no password is asked for. Not for the open internet.</p>
    </form>
  );
}
