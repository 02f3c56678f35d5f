import { useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { accountQuery } from '@/features/accounts/api/get-account';
import { SignInForm } from '@/features/accounts/components/sign-in-form';
import { useStream } from '@/lib/stream-context';

/** For strangers; afterwards the address they came with is shown. */
export function SignInRoute(): ReactNode {
  const client = useQueryClient();
  const stream = useStream();
  async function onSignedIn(): Promise<void> {
    await client.invalidateQueries({ queryKey: accountQuery.queryKey });
    stream.wake();
  }
  return (
    <main className="sign-in">
      <div className="sign-in-card">
        <img src="/icon.svg" alt="" width="44" height="44" />
        <h1>Lucid AI</h1>
        <p className="muted">Describe a task, watch the agent work, get a pull request.</p>
        <SignInForm onSignedIn={onSignedIn} />
      </div>
    </main>
  );
}
