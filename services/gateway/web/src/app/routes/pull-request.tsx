import type { ReactNode } from 'react';
import { PullRequestView } from '@/features/pulls/components/pull-request-view';
import { NotFoundRoute } from './not-found';

/** The page of a local pull request. */
export function PullRequestRoute({ repo, number }: { repo: string; number: number }): ReactNode {
  if (!Number.isInteger(number) || number < 1) return <NotFoundRoute />;
  return (
    <div className="page page-wide">
      <PullRequestView repo={repo} number={number} />
    </div>
  );
}
