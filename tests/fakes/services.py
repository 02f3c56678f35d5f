"""Sessions, sandbox and integrations as the gateway sees them: real servicers on a real channel, told what to answer.

Each keeps owners apart as the real ones do, records who called what, and can be told to fail (`fail["GetSession"]`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from lucid.integrations.v1 import integrations_pb2 as ipb
from lucid.integrations.v1 import integrations_pb2_grpc as ipg
from lucid.sandbox.v1 import files_pb2 as fpb
from lucid.sandbox.v1 import sandbox_pb2 as bpb
from lucid.sandbox.v1 import sandbox_pb2_grpc as bpg
from lucid.sessions.v1 import event_pb2 as epb
from lucid.sessions.v1 import sessions_pb2 as spb
from lucid.sessions.v1 import sessions_pb2_grpc as spg

from services.rpc.errors import Code, LucidError
from services.rpc.identity import current_caller
from services.rpc.ids import new_id
from services.rpc.serving import Access, Service
from tests.fakes.changes import Changes
from tests.fakes.checkpoints import FakeCheckpoints
from tests.fakes.environments import Environments


class Refusal(LucidError):
    """Any refusal."""

    def __init__(self, code: Code, reason: str, message: str = "refused", **metadata: str) -> None:
        super().__init__(message, **metadata)
        self.code = code  # type: ignore[misc]
        self.reason = reason  # type: ignore[misc]


def not_found(reason: str) -> Refusal:
    return Refusal(Code.NOT_FOUND, reason, "It is not there.")


@dataclass
class Seen:
    """One call as it arrived."""

    rpc: str
    request: Any
    user_id: str
    internal: bool
    metadata: dict[str, str]


@dataclass
class Fake:
    """Records and fails for a servicer."""

    calls: list[Seen] = field(default_factory=list)
    fail: dict[str, Exception] = field(default_factory=dict)
    fail_times: dict[str, int] = field(default_factory=dict)

    def enter(self, rpc: str, request: Any, context: Any) -> str:
        """Records the call; the caller's id, or the failure that was ordered."""
        caller = current_caller()
        metadata = {str(key): str(value) for key, value in context.invocation_metadata() or ()}
        self.calls.append(Seen(rpc, request, caller.user_id, caller.internal, metadata))
        if rpc in self.fail:
            left = self.fail_times.get(rpc)
            if left is None or left > 0:
                if left is not None:
                    self.fail_times[rpc] = left - 1
                raise self.fail[rpc]
        return caller.user_id

    def last(self, rpc: str) -> Seen:
        return next(call for call in reversed(self.calls) if call.rpc == rpc)


def _access(base: type, internal: frozenset[str] = frozenset()) -> dict[str, Access]:
    service = {
        spg.SessionsServiceServicer: spb.DESCRIPTOR.services_by_name["SessionsService"],
        bpg.SandboxServiceServicer: bpb.DESCRIPTOR.services_by_name["SandboxService"],
        ipg.IntegrationsServiceServicer: ipb.DESCRIPTOR.services_by_name["IntegrationsService"],
    }[base]
    return {
        f"/{service.full_name}/{method.name}": Access.INTERNAL if method.name in internal else Access.USER
        for method in service.methods
    }


async def _nothing() -> None:
    return None


class FakeSessions(Changes, Environments, Fake, spg.SessionsServiceServicer):
    """Sessions kept in memory; `streams` decides what a watch yields."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[str, spb.Session] = {}
        self.events: dict[str, list[epb.Event]] = {}
        self.models = [spb.Model(model="demo", label="Demo", is_demo=True)]
        self.streams: dict[str, Callable[[spb.WatchEventsRequest], AsyncIterator[spb.WatchEventsResponse]]] = {}
        self.open_watches = 0
        self.messages: dict[str, spb.SendMessageResponse] = {}

    def service(self) -> Service:
        return Service(
            "sessions",
            (spb.DESCRIPTOR.services_by_name["SessionsService"].full_name,),
            lambda server: spg.add_SessionsServiceServicer_to_server(self, server),
            _access(spg.SessionsServiceServicer),
            _nothing,
            _nothing,
        )

    def put(self, owner: str, **fields: Any) -> spb.Session:
        session_id = new_id("ses")
        session = spb.Session(
            session_id=session_id, owner_id=owner, **{"title": "t", "task": "t", "model": "demo", **fields}
        )
        session.create_time.FromSeconds(1_700_000_000 + len(self.sessions))
        session.update_time.FromSeconds(1_700_000_100 + len(self.sessions))
        self.sessions[session_id] = session
        self.events[session_id] = []
        return session

    def add(self, session_id: str, **fields: Any) -> epb.Event:
        log = self.events[session_id]
        event = epb.Event(session_id=session_id, epoch=1, seq=len(log) + 1, event_id=f"EVT{len(log) + 1}", **fields)
        event.time.FromSeconds(1_700_000_200 + len(log))
        log.append(event)
        return event

    def _own(self, user_id: str, session_id: str) -> spb.Session:
        session = self.sessions.get(session_id)
        if session is None or session.owner_id != user_id:
            raise not_found("SESSION_NOT_FOUND")
        return session

    async def CreateSession(self, request: spb.CreateSessionRequest, context: Any) -> spb.CreateSessionResponse:
        user = self.enter("CreateSession", request, context)
        session = self.put(user, task=request.task, title=request.task[:255], model=request.model or "demo")
        return spb.CreateSessionResponse(session=session)

    async def GetSession(self, request: spb.GetSessionRequest, context: Any) -> spb.GetSessionResponse:
        user = self.enter("GetSession", request, context)
        return spb.GetSessionResponse(session=self._own(user, request.session_id))

    async def ListSessions(self, request: spb.ListSessionsRequest, context: Any) -> spb.ListSessionsResponse:
        user = self.enter("ListSessions", request, context)
        own = [session for session in reversed(self.sessions.values()) if session.owner_id == user]
        begin, size = int(request.page_token or 0), min(request.page_size or 50, 100)
        more = str(begin + size) if begin + size < len(own) else ""
        return spb.ListSessionsResponse(sessions=own[begin : begin + size], next_page_token=more)

    async def RenameSession(self, request: spb.RenameSessionRequest, context: Any) -> spb.RenameSessionResponse:
        session = self._own(self.enter("RenameSession", request, context), request.session_id)
        session.title = request.title
        return spb.RenameSessionResponse(session=session)

    async def DeleteSession(self, request: spb.DeleteSessionRequest, context: Any) -> spb.DeleteSessionResponse:
        self._own(self.enter("DeleteSession", request, context), request.session_id)
        del self.sessions[request.session_id]
        return spb.DeleteSessionResponse()

    async def SendMessage(self, request: spb.SendMessageRequest, context: Any) -> spb.SendMessageResponse:
        self._own(self.enter("SendMessage", request, context), request.session_id)
        client_id = request.client_message_id or new_id("msg")
        first = spb.SendMessageResponse(seq=len(self.messages) + 1, client_message_id=client_id)
        return self.messages.setdefault(client_id, first)

    async def StopSession(self, request: spb.StopSessionRequest, context: Any) -> spb.StopSessionResponse:
        session = self._own(self.enter("StopSession", request, context), request.session_id)
        return spb.StopSessionResponse(stopping=session.state == spb.Session.STATE_RUNNING)

    async def PauseSession(self, request: spb.PauseSessionRequest, context: Any) -> spb.PauseSessionResponse:
        session = self._own(self.enter("PauseSession", request, context), request.session_id)
        return spb.PauseSessionResponse(pausing=session.state == spb.Session.STATE_RUNNING)

    async def ResumeSession(self, request: spb.ResumeSessionRequest, context: Any) -> spb.ResumeSessionResponse:
        session = self._own(self.enter("ResumeSession", request, context), request.session_id)
        return spb.ResumeSessionResponse(resumed=session.state == spb.Session.STATE_PAUSED)

    async def UpdateQueuedMessage(
        self, request: spb.UpdateQueuedMessageRequest, context: Any
    ) -> spb.UpdateQueuedMessageResponse:
        self._own(self.enter("UpdateQueuedMessage", request, context), request.session_id)
        return spb.UpdateQueuedMessageResponse()

    async def MoveQueuedMessage(
        self, request: spb.MoveQueuedMessageRequest, context: Any
    ) -> spb.MoveQueuedMessageResponse:
        self._own(self.enter("MoveQueuedMessage", request, context), request.session_id)
        return spb.MoveQueuedMessageResponse()

    async def CancelQueuedMessage(
        self, request: spb.CancelQueuedMessageRequest, context: Any
    ) -> spb.CancelQueuedMessageResponse:
        self._own(self.enter("CancelQueuedMessage", request, context), request.session_id)
        return spb.CancelQueuedMessageResponse()

    async def ConfigureSession(
        self, request: spb.ConfigureSessionRequest, context: Any
    ) -> spb.ConfigureSessionResponse:
        session = self._own(self.enter("ConfigureSession", request, context), request.session_id)
        session.confirmation = request.confirmation or session.confirmation
        session.budget.MergeFrom(request.budget)
        return spb.ConfigureSessionResponse(session=session)

    async def ResolveApproval(self, request: spb.ResolveApprovalRequest, context: Any) -> spb.ResolveApprovalResponse:
        self._own(self.enter("ResolveApproval", request, context), request.session_id)
        return spb.ResolveApprovalResponse()

    async def ListEvents(self, request: spb.ListEventsRequest, context: Any) -> spb.ListEventsResponse:
        self._own(self.enter("ListEvents", request, context), request.session_id)
        log, size = self.events[request.session_id], min(request.page_size or 100, 1000)
        if request.before_seq:
            chosen = [event for event in log if event.seq < request.before_seq][-size:]
        else:
            chosen = [event for event in log if event.seq > request.after_seq][:size]
        return spb.ListEventsResponse(events=chosen, last_seq=len(log))

    async def WatchEvents(
        self, request: spb.WatchEventsRequest, context: Any
    ) -> AsyncIterator[spb.WatchEventsResponse]:
        self._own(self.enter("WatchEvents", request, context), request.session_id)
        self.open_watches += 1
        try:
            async for answer in self.streams.get(request.session_id, self._log)(request):
                yield answer
        finally:
            self.open_watches -= 1

    async def _log(self, request: spb.WatchEventsRequest) -> AsyncIterator[spb.WatchEventsResponse]:
        for event in self.events[request.session_id]:
            if event.seq > request.after_seq:
                yield spb.WatchEventsResponse(frames=[epb.Frame(event=event)])
        head = len(self.events[request.session_id])
        yield spb.WatchEventsResponse(frames=[epb.Frame(caught_up=epb.CaughtUp(seq=head, first_available_seq=1))])
        await asyncio.Event().wait()

    async def ExportSession(
        self, request: spb.ExportSessionRequest, context: Any
    ) -> AsyncIterator[spb.ExportSessionResponse]:
        user = self.enter("ExportSession", request, context)
        self._own(user, request.session_id)
        for event in self.events[request.session_id]:
            if event.labels.get("breaks"):
                raise Refusal(Code.UNAVAILABLE, "STORE_UNAVAILABLE")
            yield spb.ExportSessionResponse(lines=b'{"seq":%d}\n' % event.seq)

    async def ListModels(self, request: spb.ListModelsRequest, context: Any) -> spb.ListModelsResponse:
        self.enter("ListModels", request, context)
        return spb.ListModelsResponse(models=self.models)

    async def GetStatus(self, request: spb.GetStatusRequest, context: Any) -> spb.GetStatusResponse:
        self.enter("GetStatus", request, context)
        return spb.GetStatusResponse(active_sessions=7)


class FakeSandbox(FakeCheckpoints, Fake, bpg.SandboxServiceServicer):
    """Sandboxes by owner, files by path."""

    def __init__(self) -> None:
        super().__init__()
        self.owners: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.entries: list[bpb.ListTreeResponse.Entry] = []
        self.promised_more = 0

    def service(self) -> Service:
        return Service(
            "sandbox",
            (bpb.DESCRIPTOR.services_by_name["SandboxService"].full_name,),
            lambda server: bpg.add_SandboxServiceServicer_to_server(self, server),
            _access(
                bpg.SandboxServiceServicer, frozenset({"CreateSandbox", "DeleteSandbox", "RunCommand", "GetStatus"})
            ),
            _nothing,
            _nothing,
        )

    def _own(self, user_id: str, sandbox_id: str) -> None:
        if self.owners.get(sandbox_id) != user_id:
            raise not_found("SANDBOX_NOT_FOUND")

    async def GetStatus(self, request: bpb.GetStatusRequest, context: Any) -> bpb.GetStatusResponse:
        self.enter("GetStatus", request, context)
        return bpb.GetStatusResponse(
            confinement=bpb.Sandbox.CONFINEMENT_DOCKER, ready_sandboxes=len(self.owners), lacks=["limit of disk"]
        )

    async def ListTree(self, request: bpb.ListTreeRequest, context: Any) -> bpb.ListTreeResponse:
        self._own(self.enter("ListTree", request, context), request.sandbox_id)
        return bpb.ListTreeResponse(entries=self.entries)

    async def ReadFile(self, request: bpb.ReadFileRequest, context: Any) -> bpb.ReadFileResponse:
        self._own(self.enter("ReadFile", request, context), request.sandbox_id)
        if ".." in request.path.split("/"):
            raise Refusal(Code.INVALID_ARGUMENT, "PATH_OUTSIDE_WORKSPACE", "It leads out of the workspace.")
        if request.path not in self.files:
            raise not_found("FILE_NOT_FOUND")
        data, limit = self.files[request.path], request.limit or 1024 * 1024
        return bpb.ReadFileResponse(data=data[request.offset : request.offset + limit], size=len(data))

    async def DownloadFile(
        self, request: fpb.DownloadFileRequest, context: Any
    ) -> AsyncIterator[fpb.DownloadFileResponse]:
        self._own(self.enter("DownloadFile", request, context), request.sandbox_id)
        if request.path not in self.files:
            raise not_found("FILE_NOT_FOUND")
        data = self.files[request.path]
        yield fpb.DownloadFileResponse(file=fpb.FileInfo(size=len(data) + self.promised_more))
        for at in range(0, len(data), 4):
            yield fpb.DownloadFileResponse(data=data[at : at + 4])

    async def ExportArchive(
        self, request: fpb.ExportArchiveRequest, context: Any
    ) -> AsyncIterator[fpb.ExportArchiveResponse]:
        self._own(self.enter("ExportArchive", request, context), request.sandbox_id)
        for data in (b"tar ", b"of ", request.path.encode() or b"all"):
            yield fpb.ExportArchiveResponse(data=data)
        yield fpb.ExportArchiveResponse(done=fpb.ExportArchiveResponse.Done(entries=1))


class FakeIntegrations(Fake, ipg.IntegrationsServiceServicer):
    """One connection per owner and provider; tokens that begin with `bad` are refused."""

    def __init__(self) -> None:
        super().__init__()
        self.connections: dict[tuple[str, str], ipb.Connection] = {}
        self.repositories: list[ipb.Repository] = []
        self.failures: dict[str, str] = {}

    def service(self) -> Service:
        return Service(
            "integrations",
            (ipb.DESCRIPTOR.services_by_name["IntegrationsService"].full_name,),
            lambda server: ipg.add_IntegrationsServiceServicer_to_server(self, server),
            _access(ipg.IntegrationsServiceServicer, frozenset({"OpenGate", "CloseGate", "ListPushes"})),
            _nothing,
            _nothing,
        )

    async def SaveConnection(self, request: ipb.SaveConnectionRequest, context: Any) -> ipb.SaveConnectionResponse:
        user = self.enter("SaveConnection", request, context)
        if request.token.startswith("bad"):
            raise Refusal(Code.FAILED_PRECONDITION, "TOKEN_REFUSED", "GitHub refused the token (401 Bad credentials).")
        saved = ipb.Connection(
            connection_id=new_id("con"),
            provider=request.provider,
            label="main",
            username="octocat",
            scopes=["repo", "workflow"],
            token_hint=request.token[-4:],
        )
        saved.create_time.FromSeconds(1_700_000_000)
        self.connections[user, request.provider] = saved
        return ipb.SaveConnectionResponse(connection=saved)

    async def ListConnections(self, request: ipb.ListConnectionsRequest, context: Any) -> ipb.ListConnectionsResponse:
        user = self.enter("ListConnections", request, context)
        own = [connection for (owner, _), connection in self.connections.items() if owner == user]
        return ipb.ListConnectionsResponse(connections=own)

    def _own(self, user: str, provider: str) -> None:
        if (user, provider) not in self.connections:
            raise not_found("CONNECTION_NOT_FOUND")

    async def DeleteConnection(
        self, request: ipb.DeleteConnectionRequest, context: Any
    ) -> ipb.DeleteConnectionResponse:
        user = self.enter("DeleteConnection", request, context)
        self._own(user, request.provider)
        del self.connections[user, request.provider]
        return ipb.DeleteConnectionResponse()

    async def ListRepositories(
        self, request: ipb.ListRepositoriesRequest, context: Any
    ) -> ipb.ListRepositoriesResponse:
        self._own(self.enter("ListRepositories", request, context), request.provider)
        return ipb.ListRepositoriesResponse(repositories=self.repositories, failures=self.failures)

    async def CreatePullRequest(
        self, request: ipb.CreatePullRequestRequest, context: Any
    ) -> ipb.CreatePullRequestResponse:
        self._own(self.enter("CreatePullRequest", request, context), request.provider)
        made = ipb.PullRequest(
            provider=request.provider,
            number=7,
            url="https://github.com/o/r/pull/7",
            title=request.title,
            state=ipb.PullRequest.STATE_OPEN,
        )
        return ipb.CreatePullRequestResponse(pull_request=made)
