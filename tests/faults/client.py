"""A person's client that goes from replica to replica and records all it asks for and all it is told."""

import asyncio
import random
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import grpc
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1 import sessions_pb2_grpc as pb_grpc
from lucid.sessions.v1.event_pb2 import Event, Frame, ItemCursor

from services.rpc.identity import Metadata
from services.rpc.status import from_rpc_error
from tests.faults.records import Records

TRY_SECONDS = 4.0
PATIENCE_SECONDS = 60.0
_DEFINITE = {
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.OUT_OF_RANGE,
}


class Refused(Exception):
    """The service said no, and meant it."""


class Client:
    """Knows all replicas. Every call is made again, under the same id, until it is answered."""

    def __init__(
        self, name: str, addresses: Sequence[str], metadata: Metadata, records: Records, seed: int = 0
    ) -> None:
        self.name = name
        options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
        self._channels = [grpc.aio.insecure_channel(address, options=options) for address in addresses]
        self.stubs: list[Any] = [pb_grpc.SessionsServiceStub(channel) for channel in self._channels]
        self.metadata = metadata
        self.records = records
        self.random = random.Random(seed)
        self._number = 0

    async def close(self) -> None:
        """Lets the connections go."""
        for channel in self._channels:
            await channel.close()

    async def call(self, method: str, request: Any, **said: Any) -> Any:
        """One operation, recorded with its begin and its end. Raises Refused, TimeoutError."""
        self._number += 1
        number, start = f"{self.name}-{self._number}", self.random.randrange(len(self.stubs))
        self.records.write("begin", op=method, n=number, **said)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await self._until_answered(method, number, start, request, said)
        except asyncio.CancelledError:
            self.records.write("abandoned", op=method, n=number)
            raise
        return self._ended(method, number, said, answer)

    async def _until_answered(self, method: str, number: str, start: int, request: Any, said: dict[str, Any]) -> Any:
        attempt = 0
        while True:
            stub = self.stubs[(start + attempt) % len(self.stubs)]
            try:
                return await getattr(stub, method)(request, metadata=self.metadata, timeout=TRY_SECONDS)
            except grpc.RpcError as error:
                code = error.code().name
                self.records.write("attempt", op=method, n=number, code=code, detail=str(from_rpc_error(error)))
                if error.code() in _DEFINITE:
                    self.records.write("refused", op=method, n=number, code=code, **said)
                    raise Refused(f"{method}: {from_rpc_error(error)}") from error
            attempt += 1
            await asyncio.sleep(0.1)

    def _ended(self, method: str, number: str, said: dict[str, Any], answer: Any) -> Any:
        told: dict[str, Any] = {}
        if method == "CreateSession":
            told = {"session": answer.session.session_id}
        elif method == "SendMessage":
            told = {"seq": answer.seq, "queued": answer.queued}
        elif method == "StopSession":
            told = {"stopping": answer.stopping}
        elif method == "PauseSession":
            told = {"pausing": answer.pausing}
        self.records.write("end", op=method, n=number, **{**said, **told})
        return answer

    async def create(self, request_id: str, task: str, repository: str = "") -> pb.Session:
        """A session on a task."""
        request = pb.CreateSessionRequest(request_id=request_id, task=task)
        if repository:
            request.repository.provider, request.repository.full_name = "github", repository
        session: pb.Session = (await self.call("CreateSession", request, id=request_id)).session
        return session

    async def send(self, session: str, message_id: str, text: str) -> pb.SendMessageResponse:
        """A message under the client's own id."""
        request = pb.SendMessageRequest(session_id=session, text=text, client_message_id=message_id)
        answer: pb.SendMessageResponse = await self.call("SendMessage", request, session=session, id=message_id)
        return answer

    async def stop(self, session: str) -> bool:
        """Whether something ran."""
        answer = await self.call("StopSession", pb.StopSessionRequest(session_id=session), session=session)
        return bool(answer.stopping)

    async def resolve(self, session: str, request_id: str, option: str) -> None:
        """A decision. Raises Refused if another one stands."""
        request = pb.ResolveApprovalRequest(session_id=session, request_id=request_id, option_id=option)
        await self.call("ResolveApproval", request, session=session, id=request_id, option=option)

    async def get(self, session: str) -> pb.Session:
        """As it is now; a look, not an operation."""
        request = pb.GetSessionRequest(session_id=session)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                stub = self.random.choice(self.stubs)
                try:
                    answer = await stub.GetSession(request, metadata=self.metadata, timeout=TRY_SECONDS)
                except grpc.RpcError:
                    await asyncio.sleep(0.1)
                else:
                    found: pb.Session = answer.session
                    return found

    async def delete(self, session: str) -> None:
        """Ends it. An answer that was lost shows as a session that is gone."""
        with suppress(Refused):
            await self.call("DeleteSession", pb.DeleteSessionRequest(session_id=session), session=session)


class Watcher:
    """Follows one session, from any replica. `hop`: seconds after which it goes to another one; 0 = stays."""

    def __init__(self, client: Client, session: str, name: str, hop: float = 0.0) -> None:
        self.session = session
        self.events: list[Event] = []
        self.client = client
        self.name = name
        self._hop = hop
        self._epoch = 0
        self._open: dict[tuple[str, int], bytearray] = {}
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._follow())

    @property
    def last_seq(self) -> int:
        """How far it has come."""
        return self.events[-1].seq if self.events else 0

    async def stop(self) -> None:
        """Leaves."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def until(self, seen: Callable[["Watcher"], bool], seconds: float) -> None:
        """Waits until what it knows satisfies `seen`. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not seen(self):
                self._news.clear()
                await self._news.wait()

    def count(self, kind: str) -> int:
        """How many events of a kind it has."""
        return sum(event.WhichOneof("payload") == kind for event in self.events)

    def open_question(self) -> str:
        """The id of a question that is not answered; empty if there is none."""
        asked = [event.approval_requested.request_id for event in self.events if event.HasField("approval_requested")]
        told = {event.approval_resolved.request_id for event in self.events if event.HasField("approval_resolved")}
        done = {event.item_id for event in self.events if event.HasField("tool_call_completed")}
        return next((one for one in asked if one not in told and one not in done), "")

    async def _follow(self) -> None:
        replica = self.client.random.randrange(len(self.client.stubs))
        while True:
            replica = (replica + 1) % len(self.client.stubs)
            try:
                async with asyncio.timeout(self._hop or None):
                    await self._watch(self.client.stubs[replica])
            except TimeoutError:
                continue
            except grpc.RpcError as error:
                told = {"code": error.code().name, "detail": str(from_rpc_error(error))}
                self.client.records.write("attempt", op="WatchEvents", n=self.name, **told)
            await asyncio.sleep(0.1)

    async def _watch(self, stub: Any) -> None:
        items = [
            ItemCursor(item_id=item, channel=channel, have=len(data))  # type: ignore[arg-type]
            for (item, channel), data in self._open.items()
        ]
        request = pb.WatchEventsRequest(
            session_id=self.session, epoch=self._epoch, after_seq=self.last_seq, items=items
        )
        records = self.client.records
        records.write("watch", watcher=self.name, session=self.session, after=self.last_seq)
        call = stub.WatchEvents(request, metadata=self.client.metadata)
        try:
            async for answer in call:
                for frame in answer.frames:
                    data = b64encode(frame.SerializeToString(deterministic=True)).decode()
                    records.write("frame", watcher=self.name, data=data)
                    if not self._take(frame):
                        return
        finally:
            call.cancel()

    def _take(self, frame: Frame) -> bool:
        """Whether it can go on from here, or has to watch again (events.md §4)."""
        kind = frame.WhichOneof("frame")
        if kind == "event":
            return self._event(frame.event)
        if kind == "delta":
            delta, key = frame.delta, (frame.delta.item_id, int(frame.delta.channel))
            have = self._open.setdefault(key, bytearray())
            if delta.after_seq > self.last_seq or delta.offset > len(have):
                return False
            have += delta.data[len(have) - delta.offset :]
            return True
        if kind == "reset":
            self.events, self._open, self._epoch = [], {}, 0
            return False
        last = frame.caught_up.seq if kind == "caught_up" else frame.heartbeat.last_seq
        return bool(last <= self.last_seq)

    def _event(self, event: Event) -> bool:
        if event.seq != self.last_seq + 1:
            return bool(event.seq <= self.last_seq)
        self.events.append(event)
        self._epoch = event.epoch
        if event.WhichOneof("payload") in ("text_completed", "command_completed"):
            self._open = {key: data for key, data in self._open.items() if key[0] != event.item_id}
        self._news.set()
        return True
