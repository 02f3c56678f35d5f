import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { installationQuery } from '@/features/accounts/api/get-installation';
import { GitHubToken } from '@/features/connections/components/git-hub-token';

/** The person's settings. */
export function SettingsRoute(): ReactNode {
  const installation = useQuery(installationQuery);
  return (
    <div className="page">
      <h1>Settings</h1>
      <GitHubToken tokenUrl={installation.data?.githubTokenUrl ?? ''} />
      {installation.isSuccess && <p className="muted small">Lucid AI {installation.data.version}</p>}
    </div>
  );
}
