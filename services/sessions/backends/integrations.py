"""The Forge port over the integrations service."""

from dataclasses import replace

import grpc
from lucid.integrations.v1 import integrations_pb2 as pb
from lucid.sessions.v1.event_pb2 import PullRequestChanged

from services.integrations.client import IntegrationsClient
from services.rpc.identity import service_metadata
from services.sessions.backends.refusals import in_our_words
from services.sessions.domain.models import Repository, SessionRecord
from services.sessions.domain.work import Gate, Push


class IntegrationsForge:
    """Calls as the service itself, on behalf of the session's owner."""

    def __init__(self, channel: grpc.aio.Channel, internal_key: str) -> None:
        self._client = IntegrationsClient(channel)
        self._key = internal_key

    def _for(self, record: SessionRecord) -> IntegrationsClient:
        return self._client.acting_as(service_metadata(self._key, record.owner_id))

    async def resolve(self, owner_id: str, wanted: Repository) -> Repository:
        """The repository that a name or a pasted address means. Raises RemoteError with integrations' reason."""
        request = pb.ResolveRepositoryRequest(
            provider=wanted.provider, full_name=wanted.full_name, url="" if wanted.full_name else wanted.url
        )
        client = self._client.acting_as(service_metadata(self._key, owner_id))
        found = (await client.resolve_repository(request)).repository
        return replace(wanted, provider=found.provider, full_name=found.full_name, url=found.url)

    async def open_gate(self, record: SessionRecord) -> Gate:
        """Opens the gate to the session's repository."""
        wanted = record.repository or Repository()
        request = pb.OpenGateRequest(
            session_id=record.session_id,
            owner_id=record.owner_id,
            provider=wanted.provider,
            full_name=wanted.full_name,
            url="" if wanted.full_name else wanted.url,
            epoch=record.lease_epoch,
        )
        with in_our_words():
            answer = await self._for(record).open_gate(request)
        repository = answer.repository
        return Gate(
            provider=repository.provider,
            full_name=repository.full_name,
            clone_url=repository.clone_url,
            default_branch=repository.default_branch,
            url=repository.url,
            branch_prefix=answer.branch_prefix,
            git_config=tuple(sorted(answer.git_config.items())),
        )

    async def close_gate(self, record: SessionRecord) -> None:
        """Closes it."""
        with in_our_words():
            await self._for(record).close_gate(pb.CloseGateRequest(session_id=record.session_id))

    async def pushes(self, record: SessionRecord, after: int) -> list[Push]:
        """Accepted pushes after a number."""
        request = pb.ListPushesRequest(session_id=record.session_id, after_number=after)
        with in_our_words():
            answer = await self._for(record).list_pushes(request)
        return [Push(push.number, push.provider, push.repo, push.branch, push.commit) for push in answer.pushes]

    async def open_pull_request(
        self, record: SessionRecord, key: str, title: str, body: str, draft: bool
    ) -> PullRequestChanged:
        """Opens the session's pull request at most once per key, or adopts the open one."""
        base = record.repository.base_branch if record.repository else ""
        request = pb.OpenPullRequestRequest(
            key=key,
            session_id=record.session_id,
            title=title,
            body=body,
            base=base,
            draft=draft,
            epoch=record.lease_epoch,
        )
        with in_our_words():
            answer = await self._for(record).open_pull_request(request)
        return _changed(answer.pull_request, existed=answer.existed)


def _changed(pull_request: pb.PullRequest, *, existed: bool) -> PullRequestChanged:
    return PullRequestChanged(
        provider=pull_request.provider,
        repo=pull_request.repo,
        number=pull_request.number,
        url=pull_request.url,
        title=pull_request.title,
        head=pull_request.head,
        base=pull_request.base,
        draft=pull_request.draft,
        # The two enums agree in their numbers (proto files of both services).
        state=PullRequestChanged.State.ValueType(int(pull_request.state)),
        existed=existed,
        added=pull_request.added,
        removed=pull_request.removed,
    )
