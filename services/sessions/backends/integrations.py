"""The Forge port over the integrations service."""

from functools import lru_cache

from lucid.integrations.v1 import integrations_pb2 as pb
from lucid.sessions.v1.event_pb2 import PullRequestChanged

from services.integrations.client import IntegrationsClient
from services.rpc.identity import service_metadata
from services.sessions.backends.remote import refusals
from services.sessions.domain.models import Repository, SessionRecord
from services.sessions.domain.work import Gate, Push


class IntegrationsForge:
    """Acts for a session's owner with the internal key."""

    def __init__(self, client: IntegrationsClient, internal_key: str) -> None:
        self._for_owner = lru_cache(maxsize=256)(
            lambda owner_id: client.acting_as(service_metadata(internal_key, owner_id))
        )

    async def open_gate(self, record: SessionRecord) -> Gate:
        """Opens the gate to the session's repository."""
        wanted = record.repository or Repository()
        request = pb.OpenGateRequest(
            session_id=record.session_id,
            owner_id=record.owner_id,
            provider=wanted.provider,
            full_name=wanted.full_name,
            url=wanted.url,
            epoch=record.lease_epoch,
        )
        # A provider that does not answer ends the start with its own words; the person tries again.
        with refusals("PROVIDER_UNAVAILABLE"):
            answer = await self._for_owner(record.owner_id).open_gate(request)
        found = answer.repository
        return Gate(
            provider=found.provider,
            full_name=found.full_name,
            clone_url=found.clone_url,
            default_branch=found.default_branch,
            url=found.url,
            branch_prefix=answer.branch_prefix,
            git_config=tuple(sorted(answer.git_config.items())),
        )

    async def close_gate(self, record: SessionRecord) -> None:
        """Closes it."""
        with refusals():
            await self._for_owner(record.owner_id).close_gate(pb.CloseGateRequest(session_id=record.session_id))

    async def pushes(self, record: SessionRecord, after: int) -> list[Push]:
        """Accepted pushes after a number."""
        request = pb.ListPushesRequest(session_id=record.session_id, after_number=after)
        with refusals():
            answer = await self._for_owner(record.owner_id).list_pushes(request)
        return [Push(push.number, push.provider, push.repo, push.branch, push.commit) for push in answer.pushes]

    async def open_pull_request(
        self, record: SessionRecord, key: str, title: str, body: str, draft: bool
    ) -> PullRequestChanged:
        """Opens the session's pull request at most once per key, or adopts the open one."""
        request = pb.OpenPullRequestRequest(
            key=key,
            session_id=record.session_id,
            title=title,
            body=body,
            base=record.repository.base_branch if record.repository else "",
            draft=draft,
            epoch=record.lease_epoch,
        )
        with refusals():
            answer = await self._for_owner(record.owner_id).open_pull_request(request)
        return _changed(answer.pull_request, answer.existed)


def _changed(opened: pb.PullRequest, existed: bool) -> PullRequestChanged:
    return PullRequestChanged(
        provider=opened.provider,
        repo=opened.repo,
        number=opened.number,
        url=opened.url,
        title=opened.title,
        head=opened.head,
        base=opened.base,
        draft=opened.draft,
        state=PullRequestChanged.State.ValueType(opened.state),
        existed=existed,
        added=opened.added,
        removed=opened.removed,
    )
