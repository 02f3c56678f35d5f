import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { PullRequest_State as State } from '@gen/lucid/integrations/v1/integrations_pb';
import type { GetPullRequestResponse, PullRequest } from '@gen/lucid/integrations/v1/integrations_pb';
import { Button } from '@/components/ui/button';
import { DiffCounts, DiffView } from '@/components/ui/diff-view';
import { Icon } from '@/components/ui/icon';
import { Markdown } from '@/components/ui/markdown';
import { Notice, Spinner } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { clock, since } from '@/lib/format';
import { useNow } from '@/lib/now';
import { useMergePullRequest } from '../api/merge-pull-request';
import { pullRequestQuery } from '../api/get-pull-request';
import { PullState } from './pull-facts';

interface PullRequestViewProps {
  readonly repo: string;
  readonly number: number;
}

/** The page of a local pull request: what it is, its commits, its diff, and the way to merge it. */
export function PullRequestView({ repo, number }: PullRequestViewProps): ReactNode {
  const answer = useQuery(pullRequestQuery(repo, number));
  if (answer.isPending) return <Spinner label="Loading the pull request" />;
  if (answer.isError) return <Notice text={errorText(answer.error)} />;
  const pull = answer.data.pullRequest;
  if (pull === undefined) return <Notice text="This pull request does not exist." />;
  return (
    <article className="pull">
      <Head pull={pull} repo={repo} />
      {pull.body !== '' && (
        <section className="panel">
          <Markdown text={pull.body} />
        </section>
      )}
      <Merge pull={pull} repo={repo} mergeable={answer.data.mergeable} />
      <Commits answer={answer.data} />
      <section aria-label="Changes">
        <h2 className="pull-part">Changes</h2>
        {answer.data.unifiedDiff === '' ? <p className="muted">No changes</p> : <DiffView diff={answer.data.unifiedDiff} titles />}
      </section>
    </article>
  );
}

function Head({ pull, repo }: { pull: PullRequest; repo: string }): ReactNode {
  const now = useNow();
  return (
    <header className="pull-head">
      <p className="muted small">{repo}</p>
      <h1>
        {pull.title} <span className="muted">#{pull.number}</span>
      </h1>
      <p className="pr-facts">
        <PullState pull={pull} />
        <span className="pr-branches">
          <code>{pull.head}</code> → <code>{pull.base}</code>
        </span>
        <DiffCounts added={pull.added} removed={pull.removed} />
        <time className="muted small" title={clock(pull.createTime)}>
          opened {since(pull.createTime, now)}
        </time>
      </p>
    </header>
  );
}

function Merge({ pull, repo, mergeable }: { pull: PullRequest; repo: string; mergeable: boolean }): ReactNode {
  const merge = useMergePullRequest(repo, pull.number);
  if (pull.state !== State.OPEN) {
    return <p className="merge-box">{pull.state === State.MERGED ? `Merged into ${pull.base}.` : 'Closed without a merge.'}</p>;
  }
  return (
    <div className="merge-box">
      <Icon name={mergeable ? 'check' : 'warning'} />
      <span>{mergeable ? `Can be merged into ${pull.base} without conflicts.` : `Conflicts with ${pull.base}.`}</span>
      <Button look="primary" disabled={!mergeable} busy={merge.isPending} data-testid="pr-merge" onClick={() => merge.mutate()}>
        {merge.isPending ? 'Merging…' : 'Merge'}
      </Button>
      <Notice text={merge.isError ? errorText(merge.error) : ''} />
    </div>
  );
}

function Commits({ answer }: { answer: GetPullRequestResponse }): ReactNode {
  if (answer.commits.length === 0) return null;
  return (
    <section aria-label="Commits">
      <h2 className="pull-part">Commits</h2>
      <ul className="commits">
        {answer.commits.map((commit) => (
          <li key={commit.commit}>
            <code className="muted">{commit.commit.slice(0, 7)}</code>
            <span className="commit-subject">{commit.subject}</span>
            <span className="muted small">{commit.author}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
