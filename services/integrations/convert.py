"""Between domain and proto; pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from lucid.integrations.v1 import integrations_pb2 as pb

from services.integrations.domain.models import (
    Commit,
    Comparison,
    Connection,
    Proposal,
    PullRequest,
    PullRequestState,
    Push,
    Repository,
)

_STATES = {
    PullRequestState.OPEN: pb.PullRequest.STATE_OPEN,
    PullRequestState.MERGED: pb.PullRequest.STATE_MERGED,
    PullRequestState.CLOSED: pb.PullRequest.STATE_CLOSED,
}


def _timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def connection_to_proto(connection: Connection) -> pb.Connection:
    """Without the token: it is not in there."""
    return pb.Connection(
        connection_id=connection.connection_id,
        provider=connection.provider,
        label=connection.label,
        username=connection.username,
        scopes=connection.scopes,
        token_hint=connection.token_hint,
        base_url=connection.base_url,
        create_time=_timestamp(connection.create_time),
    )


def repository_to_proto(repository: Repository) -> pb.Repository:
    """As its provider says."""
    return pb.Repository(
        provider=repository.provider,
        full_name=repository.full_name,
        name=repository.name,
        url=repository.url,
        clone_url=repository.clone_url,
        default_branch=repository.default_branch,
        private=repository.private,
        description=repository.description,
    )


def repositories_to_proto(
    repositories: Sequence[Repository], failures: Mapping[str, str]
) -> pb.ListRepositoriesResponse:
    """The list, and what could not be asked."""
    rows = [repository_to_proto(one) for one in repositories]
    return pb.ListRepositoriesResponse(repositories=rows, failures=failures)


def push_to_proto(push: Push) -> pb.Push:
    """One accepted push."""
    return pb.Push(
        number=push.number,
        provider=push.provider,
        repo=push.repo,
        branch=push.update.branch,
        commit=push.update.commit,
        old_commit=push.update.old_commit,
    )


def pull_request_to_proto(pull_request: PullRequest) -> pb.PullRequest:
    """As its provider says."""
    return pb.PullRequest(
        provider=pull_request.provider,
        repo=pull_request.repo,
        number=pull_request.number,
        url=pull_request.url,
        title=pull_request.title,
        body=pull_request.body,
        head=pull_request.head,
        base=pull_request.base,
        draft=pull_request.draft,
        state=_STATES[pull_request.state],
        added=pull_request.added,
        removed=pull_request.removed,
        create_time=_timestamp(pull_request.create_time),
    )


def comparison_to_proto(pull_request: PullRequest, comparison: Comparison) -> pb.GetPullRequestResponse:
    """A pull request with what it changes."""
    return pb.GetPullRequestResponse(
        pull_request=pull_request_to_proto(pull_request),
        unified_diff=comparison.unified_diff,
        commits=[_commit_to_proto(commit) for commit in comparison.commits],
        mergeable=comparison.mergeable,
    )


def _commit_to_proto(commit: Commit) -> pb.GetPullRequestResponse.Commit:
    return pb.GetPullRequestResponse.Commit(
        commit=commit.commit, subject=commit.subject, author=commit.author, time=_timestamp(commit.time)
    )


def proposal_of_session(request: pb.OpenPullRequestRequest) -> Proposal:
    """What the agent asks for."""
    return Proposal(request.title, request.body, request.branch, request.base, request.draft)


def proposal_of_person(request: pb.CreatePullRequestRequest) -> Proposal:
    """What a person asks for."""
    return Proposal(request.title, request.body, request.branch, request.base)
