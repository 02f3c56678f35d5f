"""Typed client of integrations: deadlines, retries where they are safe, refusals as RemoteError."""

from collections.abc import Callable
from typing import Any

import grpc
from lucid.integrations.v1 import integrations_pb2 as pb
from lucid.integrations.v1 import integrations_pb2_grpc

from services.rpc.channels import unary

Metadata = tuple[tuple[str, str], ...]
DEADLINE_SECONDS = 30.0
PROVIDER_DEADLINE_SECONDS = 120.0  # a provider may be slow, and its pages many


class IntegrationsClient:
    """One method per RPC. All of them may be repeated: that is how the service is made."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Metadata = ()) -> None:
        self._channel = channel
        self._stub: Any = integrations_pb2_grpc.IntegrationsServiceStub(channel)
        self._metadata = metadata

    def acting_as(self, metadata: Metadata) -> "IntegrationsClient":
        """The same channel under another identity."""
        return IntegrationsClient(self._channel, metadata)

    async def _call(self, method: Callable[..., Any], request: Any, timeout: float = DEADLINE_SECONDS) -> Any:
        return await unary(lambda: method(request, timeout=timeout, metadata=self._metadata))

    async def list_connections(self, request: pb.ListConnectionsRequest) -> pb.ListConnectionsResponse:
        """The caller's connections."""
        answer: pb.ListConnectionsResponse = await self._call(self._stub.ListConnections, request)
        return answer

    async def save_connection(self, request: pb.SaveConnectionRequest) -> pb.SaveConnectionResponse:
        """Validates, seals and keeps a token."""
        answer: pb.SaveConnectionResponse = await self._call(
            self._stub.SaveConnection, request, PROVIDER_DEADLINE_SECONDS
        )
        return answer

    async def delete_connection(self, request: pb.DeleteConnectionRequest) -> pb.DeleteConnectionResponse:
        """Forgets a token."""
        answer: pb.DeleteConnectionResponse = await self._call(self._stub.DeleteConnection, request)
        return answer

    async def list_repositories(self, request: pb.ListRepositoriesRequest) -> pb.ListRepositoriesResponse:
        """What the caller can reach."""
        answer: pb.ListRepositoriesResponse = await self._call(
            self._stub.ListRepositories, request, PROVIDER_DEADLINE_SECONDS
        )
        return answer

    async def resolve_repository(self, request: pb.ResolveRepositoryRequest) -> pb.ResolveRepositoryResponse:
        """An address or a name to a repository."""
        answer: pb.ResolveRepositoryResponse = await self._call(
            self._stub.ResolveRepository, request, PROVIDER_DEADLINE_SECONDS
        )
        return answer

    async def open_gate(self, request: pb.OpenGateRequest) -> pb.OpenGateResponse:
        """Opens the gate of a session."""
        answer: pb.OpenGateResponse = await self._call(self._stub.OpenGate, request, PROVIDER_DEADLINE_SECONDS)
        return answer

    async def close_gate(self, request: pb.CloseGateRequest) -> pb.CloseGateResponse:
        """Closes it."""
        answer: pb.CloseGateResponse = await self._call(self._stub.CloseGate, request)
        return answer

    async def list_pushes(self, request: pb.ListPushesRequest) -> pb.ListPushesResponse:
        """What a session has pushed."""
        answer: pb.ListPushesResponse = await self._call(self._stub.ListPushes, request)
        return answer

    async def open_pull_request(self, request: pb.OpenPullRequestRequest) -> pb.OpenPullRequestResponse:
        """The session's pull request, once."""
        answer: pb.OpenPullRequestResponse = await self._call(
            self._stub.OpenPullRequest, request, PROVIDER_DEADLINE_SECONDS
        )
        return answer

    async def create_pull_request(self, request: pb.CreatePullRequestRequest) -> pb.CreatePullRequestResponse:
        """A person's pull request."""
        answer: pb.CreatePullRequestResponse = await self._call(
            self._stub.CreatePullRequest, request, PROVIDER_DEADLINE_SECONDS
        )
        return answer

    async def get_pull_request(self, request: pb.GetPullRequestRequest) -> pb.GetPullRequestResponse:
        """A local pull request with its diff."""
        answer: pb.GetPullRequestResponse = await self._call(self._stub.GetPullRequest, request)
        return answer

    async def merge_pull_request(self, request: pb.MergePullRequestRequest) -> pb.MergePullRequestResponse:
        """Merges a local pull request."""
        answer: pb.MergePullRequestResponse = await self._call(self._stub.MergePullRequest, request)
        return answer
