"""SessionsService: request, one use case, answer."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from lucid.sessions.v1 import diffs_pb2 as dpb
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1 import sessions_pb2_grpc as pb_grpc
from lucid.sessions.v1.event_pb2 import UserMessage

from services.rpc.identity import current_caller
from services.rpc.paging import page_size
from services.sessions import convert, export
from services.sessions.ports import Ports
from services.sessions.store.frames import event_field
from services.sessions.usecases.cancel_queued_message import cancel_queued_message
from services.sessions.usecases.configure_session import configure_session
from services.sessions.usecases.create_session import create_session
from services.sessions.usecases.delete_session import delete_session
from services.sessions.usecases.export_session import export_session
from services.sessions.usecases.get_repository_environment import get_repository_environment
from services.sessions.usecases.get_session import get_session
from services.sessions.usecases.get_session_diff import get_session_diff
from services.sessions.usecases.get_session_patch import get_session_patch
from services.sessions.usecases.get_status import get_status
from services.sessions.usecases.list_events import list_events
from services.sessions.usecases.list_models import list_models
from services.sessions.usecases.list_sessions import list_sessions
from services.sessions.usecases.move_queued_message import move_queued_message
from services.sessions.usecases.pause_session import pause_session
from services.sessions.usecases.rename_session import rename_session
from services.sessions.usecases.resolve_approval import resolve_approval
from services.sessions.usecases.resume_session import resume_session
from services.sessions.usecases.rewind_session import RewindOrder, rewind_session
from services.sessions.usecases.save_repository_environment import save_repository_environment
from services.sessions.usecases.send_message import send_message
from services.sessions.usecases.stop_session import stop_session
from services.sessions.usecases.update_queued_message import update_queued_message
from services.sessions.usecases.watch_events import watch_events

_OnQueue = pb.UpdateQueuedMessageRequest | pb.MoveQueuedMessageRequest | pb.CancelQueuedMessageRequest


def _item(request: _OnQueue) -> str:
    return convert.storable("queue_item_id", request.queue_item_id)


class SessionsServicer(pb_grpc.SessionsServiceServicer):
    """What each RPC does is said in the proto; how, in the use case of its name."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def CreateSession(self, request: pb.CreateSessionRequest, context: Any) -> pb.CreateSessionResponse:
        """See the proto."""
        wish = convert.new_session(current_caller().user_id, request)
        return pb.CreateSessionResponse(session=convert.to_session(await create_session(self._ports, wish)))

    async def GetSession(self, request: pb.GetSessionRequest, context: Any) -> pb.GetSessionResponse:
        """See the proto."""
        record = await get_session(self._ports, current_caller().user_id, request.session_id)
        return pb.GetSessionResponse(session=convert.to_session(record))

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Any) -> pb.ListSessionsResponse:
        """See the proto."""
        before, limit = convert.position_of(request.page_token), page_size(request.page_size, 50, 100)
        query = convert.storable("query", request.query)
        page, following = await list_sessions(self._ports, current_caller().user_id, before, limit, query)
        sessions = [convert.to_session(record) for record in page]
        return pb.ListSessionsResponse(sessions=sessions, next_page_token=convert.token_of(following))

    async def RenameSession(self, request: pb.RenameSessionRequest, context: Any) -> pb.RenameSessionResponse:
        """See the proto."""
        title = convert.storable("title", request.title)
        record = await rename_session(self._ports, current_caller().user_id, request.session_id, title)
        return pb.RenameSessionResponse(session=convert.to_session(record))

    async def DeleteSession(self, request: pb.DeleteSessionRequest, context: Any) -> pb.DeleteSessionResponse:
        """See the proto."""
        await delete_session(self._ports, current_caller().user_id, request.session_id)
        return pb.DeleteSessionResponse()

    async def SendMessage(self, request: pb.SendMessageRequest, context: Any) -> pb.SendMessageResponse:
        """See the proto."""
        text, caller = convert.message_text(request), current_caller().user_id
        steer = request.delivery == UserMessage.DELIVERY_STEER
        sent = await send_message(self._ports, caller, request.session_id, text, request.client_message_id, steer)
        return pb.SendMessageResponse(seq=sent.seq, queued=sent.queued, client_message_id=sent.client_message_id)

    async def UpdateQueuedMessage(
        self, request: pb.UpdateQueuedMessageRequest, context: Any
    ) -> pb.UpdateQueuedMessageResponse:
        """See the proto."""
        wish = (_item(request), convert.queued_text(request), convert.steers(request.delivery))
        await update_queued_message(self._ports, current_caller().user_id, request.session_id, *wish)
        return pb.UpdateQueuedMessageResponse()

    async def MoveQueuedMessage(
        self, request: pb.MoveQueuedMessageRequest, context: Any
    ) -> pb.MoveQueuedMessageResponse:
        """See the proto."""
        caller = current_caller().user_id
        await move_queued_message(self._ports, caller, request.session_id, _item(request), request.place)
        return pb.MoveQueuedMessageResponse()

    async def CancelQueuedMessage(
        self, request: pb.CancelQueuedMessageRequest, context: Any
    ) -> pb.CancelQueuedMessageResponse:
        """See the proto."""
        caller = current_caller().user_id
        await cancel_queued_message(self._ports, caller, request.session_id, _item(request))
        return pb.CancelQueuedMessageResponse()

    async def PauseSession(self, request: pb.PauseSessionRequest, context: Any) -> pb.PauseSessionResponse:
        """See the proto."""
        pausing = await pause_session(self._ports, current_caller().user_id, request.session_id)
        return pb.PauseSessionResponse(pausing=pausing)

    async def ResumeSession(self, request: pb.ResumeSessionRequest, context: Any) -> pb.ResumeSessionResponse:
        """See the proto."""
        resumed = await resume_session(self._ports, current_caller().user_id, request.session_id)
        return pb.ResumeSessionResponse(resumed=resumed)

    async def StopSession(self, request: pb.StopSessionRequest, context: Any) -> pb.StopSessionResponse:
        """See the proto."""
        stopping = await stop_session(self._ports, current_caller().user_id, request.session_id)
        return pb.StopSessionResponse(stopping=stopping)

    async def ConfigureSession(self, request: pb.ConfigureSessionRequest, context: Any) -> pb.ConfigureSessionResponse:
        """See the proto."""
        wish, caller = convert.policy_change(request), current_caller().user_id
        record = await configure_session(self._ports, caller, request.session_id, wish)
        return pb.ConfigureSessionResponse(session=convert.to_session(record))

    async def ResolveApproval(self, request: pb.ResolveApprovalRequest, context: Any) -> pb.ResolveApprovalResponse:
        """See the proto."""
        answer = (convert.storable("request_id", request.request_id), request.option_id, request.text)
        await resolve_approval(self._ports, current_caller().user_id, request.session_id, *answer)
        return pb.ResolveApprovalResponse()

    async def ListEvents(self, request: pb.ListEventsRequest, context: Any) -> pb.ListEventsResponse:
        """See the proto. The stored bytes become the answer without being parsed."""
        limit, caller = page_size(request.page_size, 100, 1000), current_caller().user_id
        bounds = (request.after_seq, request.before_seq, limit)
        stored, last_seq = await list_events(self._ports, caller, request.session_id, *bounds)
        head = pb.ListEventsResponse(last_seq=last_seq).SerializeToString()
        return b"".join([*map(event_field, stored), head])  # type: ignore[return-value]

    async def WatchEvents(
        self, request: pb.WatchEventsRequest, context: Any
    ) -> AsyncGenerator[pb.WatchEventsResponse, None]:
        """See the proto. Answers are ready bytes."""
        cursor = (request.epoch, request.after_seq, request.items, request.last_n, request.durable_only)
        answers = watch_events(self._ports, current_caller().user_id, request.session_id, *cursor)
        try:
            async for answer in answers:
                yield answer  # type: ignore[misc]
        finally:
            await answers.aclose()

    async def ExportSession(
        self, request: pb.ExportSessionRequest, context: Any
    ) -> AsyncGenerator[pb.ExportSessionResponse, None]:
        """See the proto."""
        record = await get_session(self._ports, current_caller().user_id, request.session_id)
        writer = export.Writer()
        lines = bytearray(writer.header(convert.to_session(record), datetime.now(UTC)))
        async with aclosing(export_session(self._ports, record)) as stored:
            async for seq, data in stored:
                lines += writer.event(seq, data)
                for part in export.parts(lines):
                    yield pb.ExportSessionResponse(lines=part)
        yield pb.ExportSessionResponse(lines=bytes(lines) + writer.end())

    async def GetSessionDiff(self, request: dpb.GetSessionDiffRequest, context: Any) -> dpb.GetSessionDiffResponse:
        """See the proto."""
        skip, limit = convert.skip_of(request.page_token), page_size(request.page_size, 50, 500)
        wish = (request.seq, skip, limit, request.counts_only)
        page = await get_session_diff(self._ports, current_caller().user_id, request.session_id, *wish)
        return dpb.GetSessionDiffResponse(
            files=page.files,
            base_commit=page.span.commit,
            tree_before=page.span.before,
            tree_after=page.span.after,
            total_files=page.totals.files,
            added=page.totals.added,
            removed=page.totals.removed,
            next_page_token=convert.skipping(page.following),
        )

    async def GetSessionPatch(
        self, request: dpb.GetSessionPatchRequest, context: Any
    ) -> AsyncGenerator[dpb.GetSessionPatchResponse, None]:
        """See the proto."""
        wish = (request.session_id, request.seq, request.one_file)
        async with aclosing(get_session_patch(self._ports, current_caller().user_id, *wish)) as parts:
            async for part in parts:
                yield dpb.GetSessionPatchResponse(data=part)

    async def RewindSession(self, request: dpb.RewindSessionRequest, context: Any) -> dpb.RewindSessionResponse:
        """See the proto."""
        order = RewindOrder(request.request_id, request.seq, convert.storable("checkpoint_id", request.checkpoint_id))
        event = await rewind_session(self._ports, current_caller().user_id, request.session_id, order)
        created = event.checkpoint_created
        return dpb.RewindSessionResponse(
            seq=event.seq,
            checkpoint_id=created.checkpoint_id,
            tree=created.tree,
            files=created.files,
            left=created.left,
            undo_checkpoint_id=f"before-{request.request_id}",
        )

    async def GetRepositoryEnvironment(
        self, request: pb.GetRepositoryEnvironmentRequest, context: Any
    ) -> pb.GetRepositoryEnvironmentResponse:
        """See the proto."""
        named = convert.wanted_repository(pb.Repository(provider=request.provider, full_name=request.full_name))
        found = await get_repository_environment(self._ports, current_caller().user_id, named)
        return pb.GetRepositoryEnvironmentResponse(environment=convert.to_environment(found))

    async def SaveRepositoryEnvironment(
        self, request: pb.SaveRepositoryEnvironmentRequest, context: Any
    ) -> pb.SaveRepositoryEnvironmentResponse:
        """See the proto."""
        wish = convert.wanted_repository(request.repository)
        wanted, kept = convert.wanted_environment(request.environment), list(request.kept_variables)
        stored = await save_repository_environment(self._ports, current_caller().user_id, wish, wanted, kept)
        return pb.SaveRepositoryEnvironmentResponse(environment=convert.to_environment(stored))

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        """See the proto."""
        return pb.ListModelsResponse(models=[convert.to_model(name) for name in list_models(self._ports)])

    async def GetStatus(self, request: pb.GetStatusRequest, context: Any) -> pb.GetStatusResponse:
        """See the proto."""
        return pb.GetStatusResponse(active_sessions=await get_status(self._ports))
