import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { ReactNode } from 'react';
import type { Connection } from '@gen/lucid/integrations/v1/integrations_pb';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { Notice, Spinner } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { safeHref } from '@/lib/links';
import { useDeleteConnection } from '../api/delete-connection';
import { connectionsQuery } from '../api/list-connections';
import { useSaveConnection } from '../api/save-connection';

const PROVIDER = 'github';

/** The card of the settings with the GitHub token: paste, save, see whose it is, clear. */
export function GitHubToken({ tokenUrl }: { tokenUrl: string }): ReactNode {
  const connections = useQuery(connectionsQuery);
  const saved = connections.data?.find((connection) => connection.provider === PROVIDER);
  return (
    <section className="panel" aria-labelledby="github-title">
      <h2 id="github-title">GitHub token</h2>
      <p className="muted">
        Lucid clones, pushes and opens pull requests with it. It is checked with GitHub, kept encrypted, never shown again
        and never enters the sandbox.
      </p>
      {connections.isPending && <Spinner label="Loading" />}
      <Notice text={connections.isError ? errorText(connections.error) : ''} />
      {saved !== undefined && <SavedToken connection={saved} />}
      <TokenForm replace={saved !== undefined} />
      <p className="hint">
        <TokenLink url={tokenUrl} /> Scopes: <code>repo</code> and <code>workflow</code>.
      </p>
    </section>
  );
}

function TokenLink({ url }: { url: string }): ReactNode {
  const href = safeHref(url);
  if (href === undefined) return null;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer">
      Make a token on GitHub <Icon name="out" size={12} />
    </a>
  );
}

function SavedToken({ connection }: { connection: Connection }): ReactNode {
  const clear = useDeleteConnection(PROVIDER);
  return (
    <div className="saved-token">
      <div>
        <strong>{connection.username}</strong>{' '}
        <code data-testid="github-token-hint">••••{connection.tokenHint}</code>
        <div className="muted small">
          {connection.scopes.length > 0 ? `Scopes: ${connection.scopes.join(', ')}` : 'Fine-grained token: no scopes to list'}
        </div>
        <Notice text={clear.isError ? errorText(clear.error) : ''} />
      </div>
      <Button look="danger" busy={clear.isPending} data-testid="github-token-clear" onClick={() => clear.mutate()}>
        Clear
      </Button>
    </div>
  );
}

function TokenForm({ replace }: { replace: boolean }): ReactNode {
  const [token, setToken] = useState('');
  const save = useSaveConnection(PROVIDER);
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(token.trim(), { onSuccess: () => setToken('') });
      }}
    >
      <label className="field">
        <span className="field-label">{replace ? 'Replace it with another token' : 'Personal access token'}</span>
        <span className="input-row">
          <input
            className="input"
            type="password"
            autoComplete="off"
            spellCheck={false}
            required
            maxLength={1000}
            placeholder="ghp_… or github_pat_…"
            value={token}
            data-testid="github-token-input"
            onChange={(event) => setToken(event.target.value)}
          />
          <Button type="submit" look="primary" busy={save.isPending} disabled={token.trim() === ''} data-testid="github-token-save">
            {save.isPending ? 'Checking…' : 'Save'}
          </Button>
        </span>
      </label>
      <Notice text={save.isError ? errorText(save.error) : ''} />
    </form>
  );
}
