import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { ReactNode } from 'react';
import { useLocation } from 'wouter';
import { ConfinementLine } from '@/components/ui/confinement';
import { confinementQuery } from '@/features/accounts/api/get-installation';
import { RepositoryPicker } from '@/features/repos/components/repository-picker';
import type { RepositoryChoice } from '@/features/repos/components/find-repositories';
import { NewSessionForm } from '@/features/sessions/components/new-session-form';
import { useNarrow } from '@/lib/media';
import { SessionList } from '@/features/sessions/components/session-list';

/** Where a session begins; on a phone the conversations are listed below. */
export function HomeRoute(): ReactNode {
  const [, navigate] = useLocation();
  const narrow = useNarrow();
  const [choice, setChoice] = useState<RepositoryChoice | undefined>();
  return (
    <div className="page page-home">
      <h1>What shall be done?</h1>
      <NewSessionForm
        target={choice}
        confinement={<Confined />}
        picker={<RepositoryPicker value={choice} onChange={setChoice} />}
        onCreated={(id) => navigate(`/sessions/${id}`)}
      />
      {narrow && (
        <div>
          <h2 className="pull-part">Conversations</h2>
          <SessionList current="" onDeleted={() => undefined} />
        </div>
      )}
    </div>
  );
}

/** What the agent's commands will be confined by, where that is known. */
function Confined(): ReactNode {
  const { data } = useQuery(confinementQuery);
  if (data === undefined || data.confinement === '') return null;
  return <ConfinementLine level={data.confinement} lacks={data.lacks} />;
}
