"""The RPCs: each converts, calls one use case, converts back."""

from typing import Any

from lucid.integrations.v1 import integrations_pb2 as pb
from lucid.integrations.v1 import integrations_pb2_grpc

from services.integrations import convert
from services.integrations.ports import Ports
from services.integrations.usecases.close_gate import close_gate
from services.integrations.usecases.create_pull_request import create_pull_request
from services.integrations.usecases.delete_connection import delete_connection
from services.integrations.usecases.get_pull_request import get_pull_request
from services.integrations.usecases.list_connections import list_connections
from services.integrations.usecases.list_pushes import list_pushes
from services.integrations.usecases.list_repositories import list_repositories
from services.integrations.usecases.merge_pull_request import merge_pull_request
from services.integrations.usecases.open_gate import git_config, open_gate
from services.integrations.usecases.open_pull_request import open_pull_request
from services.integrations.usecases.resolve_repository import resolve_repository
from services.integrations.usecases.save_connection import save_connection
from services.rpc.errors import Unauthenticated
from services.rpc.identity import current_caller

Context = Any


def _user_id() -> str:
    """Whom the call is for. A service's call that names nobody is for nobody."""
    user_id = current_caller().user_id
    if not user_id:
        raise Unauthenticated
    return user_id


class IntegrationsServicer(integrations_pb2_grpc.IntegrationsServiceServicer):
    """Git accounts, repositories, the gate's doorkeeping, pull requests."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def ListConnections(self, request: pb.ListConnectionsRequest, context: Context) -> pb.ListConnectionsResponse:
        """The caller's connections."""
        found = await list_connections(self._ports, _user_id())
        return pb.ListConnectionsResponse(connections=[convert.connection_to_proto(one) for one in found])

    async def SaveConnection(self, request: pb.SaveConnectionRequest, context: Context) -> pb.SaveConnectionResponse:
        """Validates, seals and keeps a token."""
        saved = await save_connection(self._ports, _user_id(), request.provider, request.token, request.base_url)
        return pb.SaveConnectionResponse(connection=convert.connection_to_proto(saved))

    async def DeleteConnection(
        self, request: pb.DeleteConnectionRequest, context: Context
    ) -> pb.DeleteConnectionResponse:
        """Forgets a token."""
        await delete_connection(self._ports, _user_id(), request.provider)
        return pb.DeleteConnectionResponse()

    async def ListRepositories(
        self, request: pb.ListRepositoriesRequest, context: Context
    ) -> pb.ListRepositoriesResponse:
        """What the caller can reach."""
        found, failures = await list_repositories(self._ports, _user_id(), request.provider, request.query)
        return convert.repositories_to_proto(found, failures)

    async def ResolveRepository(
        self, request: pb.ResolveRepositoryRequest, context: Context
    ) -> pb.ResolveRepositoryResponse:
        """An address or a name to a repository."""
        found = await resolve_repository(self._ports, _user_id(), request.provider, request.full_name, request.url)
        return pb.ResolveRepositoryResponse(repository=convert.repository_to_proto(found))

    async def OpenGate(self, request: pb.OpenGateRequest, context: Context) -> pb.OpenGateResponse:
        """Opens the gate of a session."""
        gate = await open_gate(
            self._ports,
            request.session_id,
            request.owner_id,
            request.provider,
            request.full_name,
            request.url,
            request.epoch,
        )
        return pb.OpenGateResponse(
            repository=convert.repository_to_proto(gate.repository),
            branch_prefix=gate.branch_prefix,
            git_config=git_config(gate),
        )

    async def CloseGate(self, request: pb.CloseGateRequest, context: Context) -> pb.CloseGateResponse:
        """Closes it."""
        await close_gate(self._ports, request.session_id)
        return pb.CloseGateResponse()

    async def ListPushes(self, request: pb.ListPushesRequest, context: Context) -> pb.ListPushesResponse:
        """What a session has pushed."""
        found = await list_pushes(self._ports, request.session_id, request.after_number)
        return pb.ListPushesResponse(pushes=[convert.push_to_proto(push) for push in found])

    async def OpenPullRequest(self, request: pb.OpenPullRequestRequest, context: Context) -> pb.OpenPullRequestResponse:
        """The session's pull request, once."""
        proposal = convert.proposal_of_session(request)
        act = await open_pull_request(self._ports, request.key, request.session_id, proposal, request.epoch)
        assert act.answer is not None
        made = convert.pull_request_to_proto(act.answer)
        return pb.OpenPullRequestResponse(pull_request=made, existed=act.existed)

    async def CreatePullRequest(
        self, request: pb.CreatePullRequestRequest, context: Context
    ) -> pb.CreatePullRequestResponse:
        """A person's pull request."""
        proposal = convert.proposal_of_person(request)
        made, existed = await create_pull_request(
            self._ports, _user_id(), request.provider, request.repository_url, proposal
        )
        return pb.CreatePullRequestResponse(pull_request=convert.pull_request_to_proto(made), existed=existed)

    async def GetPullRequest(self, request: pb.GetPullRequestRequest, context: Context) -> pb.GetPullRequestResponse:
        """A local pull request with its diff."""
        return convert.comparison_to_proto(*await get_pull_request(self._ports, request.repo, request.number))

    async def MergePullRequest(
        self, request: pb.MergePullRequestRequest, context: Context
    ) -> pb.MergePullRequestResponse:
        """Merges a local pull request."""
        merged, commit = await merge_pull_request(self._ports, request.repo, request.number)
        return pb.MergePullRequestResponse(pull_request=convert.pull_request_to_proto(merged), commit=commit)
