import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { PullRequest_State as State } from '@gen/lucid/integrations/v1/integrations_pb';
import type { PullRequest } from '@gen/lucid/integrations/v1/integrations_pb';
import { DiffCounts } from '@/components/ui/diff-view';
import { pullRequestQuery } from '../api/get-pull-request';

interface PullFactsProps {
  readonly repo: string;
  readonly number: number;
  readonly children: ReactNode;
}

const STATES: Readonly<Partial<Record<State, readonly [string, string]>>> = {
  [State.OPEN]: ['Open', 'badge-good'],
  [State.MERGED]: ['Merged', 'badge-merged'],
  [State.CLOSED]: ['Closed', 'badge-bad'],
};

/** State and counts of a local pull request as they are now; the children until they are known. */
export function PullFacts({ repo, number, children }: PullFactsProps): ReactNode {
  const pull = useQuery(pullRequestQuery(repo, number)).data?.pullRequest;
  if (pull === undefined) return children;
  return (
    <>
      <PullState pull={pull} />
      <DiffCounts added={pull.added} removed={pull.removed} />
    </>
  );
}

/** The badge of a pull request's state. */
export function PullState({ pull }: { pull: PullRequest }): ReactNode {
  const [word, look] = STATES[pull.state] ?? ['Unknown', ''];
  return (
    <span className={`badge ${look}`} data-testid="pr-state">
      {pull.draft && pull.state === State.OPEN ? 'Draft' : word}
    </span>
  );
}
