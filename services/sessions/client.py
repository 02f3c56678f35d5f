"""The typed client of the sessions service: deadlines, retries, resume, refusals as RemoteError."""

from collections.abc import AsyncIterator

import grpc
from lucid.sessions.v1 import diffs_pb2 as dpb
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1 import sessions_pb2_grpc as pb_grpc

from services.rpc.channels import unary
from services.rpc.identity import Metadata
from services.rpc.status import from_rpc_error

SECONDS = 15.0
LONG_SECONDS = 120.0


class SessionsClient:
    """Calls for one identity; `acting_as` gives the same for another."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Metadata = ()) -> None:
        self._channel = channel
        self._metadata = metadata
        self._stub = pb_grpc.SessionsServiceStub(channel)

    def acting_as(self, metadata: Metadata) -> "SessionsClient":
        """The same client for another identity."""
        return SessionsClient(self._channel, metadata)

    async def create_session(self, request: pb.CreateSessionRequest) -> pb.CreateSessionResponse:
        """Repeated only where request_id makes that safe."""
        call = lambda: self._stub.CreateSession(request, metadata=self._metadata, timeout=SECONDS)  # noqa: E731
        return await unary(call, repeatable=bool(request.request_id))

    async def get_session(self, request: pb.GetSessionRequest) -> pb.GetSessionResponse:
        """Raises RemoteError (SESSION_NOT_FOUND)."""
        return await unary(lambda: self._stub.GetSession(request, metadata=self._metadata, timeout=SECONDS))

    async def list_sessions(self, request: pb.ListSessionsRequest) -> pb.ListSessionsResponse:
        """One page."""
        return await unary(lambda: self._stub.ListSessions(request, metadata=self._metadata, timeout=SECONDS))

    async def rename_session(self, request: pb.RenameSessionRequest) -> pb.RenameSessionResponse:
        """Raises RemoteError (SESSION_NOT_FOUND)."""
        return await unary(lambda: self._stub.RenameSession(request, metadata=self._metadata, timeout=SECONDS))

    async def delete_session(self, request: pb.DeleteSessionRequest) -> pb.DeleteSessionResponse:
        """Raises RemoteError (SESSION_NOT_FOUND)."""
        return await unary(lambda: self._stub.DeleteSession(request, metadata=self._metadata, timeout=60.0))

    async def send_message(self, request: pb.SendMessageRequest) -> pb.SendMessageResponse:
        """Repeated only where client_message_id makes that safe."""
        call = lambda: self._stub.SendMessage(request, metadata=self._metadata, timeout=SECONDS)  # noqa: E731
        return await unary(call, repeatable=bool(request.client_message_id))

    async def update_queued_message(self, request: pb.UpdateQueuedMessageRequest) -> pb.UpdateQueuedMessageResponse:
        """Raises RemoteError (QUEUE_ITEM_NOT_FOUND, QUEUE_ITEM_TAKEN)."""
        return await unary(lambda: self._stub.UpdateQueuedMessage(request, metadata=self._metadata, timeout=SECONDS))

    async def move_queued_message(self, request: pb.MoveQueuedMessageRequest) -> pb.MoveQueuedMessageResponse:
        """Raises RemoteError (QUEUE_ITEM_NOT_FOUND, QUEUE_ITEM_TAKEN)."""
        return await unary(lambda: self._stub.MoveQueuedMessage(request, metadata=self._metadata, timeout=SECONDS))

    async def cancel_queued_message(self, request: pb.CancelQueuedMessageRequest) -> pb.CancelQueuedMessageResponse:
        """Raises RemoteError (QUEUE_ITEM_NOT_FOUND, QUEUE_ITEM_TAKEN)."""
        return await unary(lambda: self._stub.CancelQueuedMessage(request, metadata=self._metadata, timeout=SECONDS))

    async def pause_session(self, request: pb.PauseSessionRequest) -> pb.PauseSessionResponse:
        """Raises RemoteError (SESSION_NOT_FOUND)."""
        return await unary(lambda: self._stub.PauseSession(request, metadata=self._metadata, timeout=SECONDS))

    async def resume_session(self, request: pb.ResumeSessionRequest) -> pb.ResumeSessionResponse:
        """Raises RemoteError (SESSION_NOT_FOUND)."""
        return await unary(lambda: self._stub.ResumeSession(request, metadata=self._metadata, timeout=SECONDS))

    async def stop_session(self, request: pb.StopSessionRequest) -> pb.StopSessionResponse:
        """Raises RemoteError (SESSION_NOT_FOUND)."""
        return await unary(lambda: self._stub.StopSession(request, metadata=self._metadata, timeout=SECONDS))

    async def configure_session(self, request: pb.ConfigureSessionRequest) -> pb.ConfigureSessionResponse:
        """Raises RemoteError (SESSION_NOT_FOUND, UNKNOWN_MODEL, NO_MODEL_KEY)."""
        return await unary(lambda: self._stub.ConfigureSession(request, metadata=self._metadata, timeout=SECONDS))

    async def resolve_approval(self, request: pb.ResolveApprovalRequest) -> pb.ResolveApprovalResponse:
        """Raises RemoteError (APPROVAL_NOT_FOUND, APPROVAL_RESOLVED)."""
        return await unary(lambda: self._stub.ResolveApproval(request, metadata=self._metadata, timeout=SECONDS))

    async def list_events(self, request: pb.ListEventsRequest) -> pb.ListEventsResponse:
        """One page."""
        return await unary(lambda: self._stub.ListEvents(request, metadata=self._metadata, timeout=SECONDS))

    async def get_repository_environment(
        self, request: pb.GetRepositoryEnvironmentRequest
    ) -> pb.GetRepositoryEnvironmentResponse:
        """Values of variables are empty."""
        call = lambda: self._stub.GetRepositoryEnvironment(request, metadata=self._metadata, timeout=SECONDS)  # noqa: E731
        return await unary(call)

    async def save_repository_environment(
        self, request: pb.SaveRepositoryEnvironmentRequest
    ) -> pb.SaveRepositoryEnvironmentResponse:
        """Raises RemoteError (INVALID_REPOSITORY, IMAGE_NOT_ALLOWED, SANDBOX_AWAY)."""
        call = lambda: self._stub.SaveRepositoryEnvironment(request, metadata=self._metadata, timeout=SECONDS)  # noqa: E731
        return await unary(call)

    async def list_models(self, request: pb.ListModelsRequest) -> pb.ListModelsResponse:
        """The default first."""
        return await unary(lambda: self._stub.ListModels(request, metadata=self._metadata, timeout=SECONDS))

    async def get_status(self, request: pb.GetStatusRequest) -> pb.GetStatusResponse:
        """For other services only."""
        return await unary(lambda: self._stub.GetStatus(request, metadata=self._metadata, timeout=SECONDS))

    async def get_session_diff(self, request: dpb.GetSessionDiffRequest) -> dpb.GetSessionDiffResponse:
        """One page. Raises RemoteError (STEP_NOT_FOUND, FILES_GONE, SANDBOX_AWAY)."""
        return await unary(lambda: self._stub.GetSessionDiff(request, metadata=self._metadata, timeout=LONG_SECONDS))

    async def get_session_patch(
        self, request: dpb.GetSessionPatchRequest
    ) -> AsyncIterator[dpb.GetSessionPatchResponse]:
        """The patch part by part. Raises RemoteError; then it is not whole."""
        try:
            async for part in self._stub.GetSessionPatch(request, metadata=self._metadata):
                yield part
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    async def rewind_session(self, request: dpb.RewindSessionRequest) -> dpb.RewindSessionResponse:
        """Raises RemoteError (SESSION_AT_WORK, STEP_NOT_FOUND, FILES_GONE, SANDBOX_AWAY)."""
        return await unary(lambda: self._stub.RewindSession(request, metadata=self._metadata, timeout=LONG_SECONDS))

    async def export_session(self, request: pb.ExportSessionRequest) -> AsyncIterator[pb.ExportSessionResponse]:
        """The file part by part. Raises RemoteError (SESSION_NOT_FOUND); then it is not whole."""
        try:
            async for part in self._stub.ExportSession(request, metadata=self._metadata):
                yield part
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    async def watch_events(self, request: pb.WatchEventsRequest) -> AsyncIterator[pb.WatchEventsResponse]:
        """One watch to its end, whatever ends it; who follows a session watches again from where it is."""
        try:
            async for answer in self._stub.WatchEvents(request, metadata=self._metadata):
                yield answer
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
