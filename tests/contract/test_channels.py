"""One suite for both kinds of channel: a socket and the process itself must be told apart by nobody."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1 import sessions_pb2_grpc as pb_grpc

from services.rpc import identity
from services.rpc.channels import unary
from services.rpc.errors import Code, LucidError
from services.rpc.identity import Verifier, service_metadata, sign_access_token, user_metadata
from services.rpc.serving import Access, Service
from services.rpc.status import RemoteError, from_rpc_error
from services.rpc.testing import inproc, serving

SECRET, KEY = "s" * 32, "k" * 32
NAME = "lucid.sessions.v1.SessionsService"


class Gone(LucidError):
    code = Code.NOT_FOUND
    reason = "SESSION_NOT_FOUND"
    default = "No such session."


class Servicer(pb_grpc.SessionsServiceServicer):
    """Answers just enough to see what passes through a channel."""

    def __init__(self) -> None:
        self.kept: pb.Session | None = None
        self.closed = asyncio.Event()

    async def GetSession(self, request: pb.GetSessionRequest, context: Any) -> pb.GetSessionResponse:
        if request.session_id == "gone":
            raise Gone(session_id="gone")
        if request.session_id == "wordy":
            raise Gone("é" * 4000, path="/ä" * 2000, other="d" * 4000)
        if request.session_id == "bug":
            raise RuntimeError("secret text")
        if request.session_id == "slow":
            await asyncio.sleep(30)
        self.kept = pb.Session(session_id=request.session_id, owner_id=identity.current_caller().user_id)
        return pb.GetSessionResponse(session=self.kept)

    async def WatchEvents(self, request: pb.WatchEventsRequest, context: Any) -> AsyncIterator[Any]:
        try:
            for seq in range(1, 4):
                frames = pb.WatchEventsResponse()
                frames.frames.add().caught_up.seq = seq
                # Ready bytes and messages are both allowed; joined bytes are one valid answer.
                yield frames if seq == 1 else frames.SerializeToString() * 2
            if request.session_id == "gone":
                raise Gone
            if request.session_id == "open":
                await asyncio.sleep(30)
        finally:
            self.closed.set()


def service(servicer: Servicer) -> Service:
    async def nothing() -> None:
        pass

    access = {f"/{NAME}/GetSession": Access.USER, f"/{NAME}/WatchEvents": Access.USER}
    register = functools.partial(pb_grpc.add_SessionsServiceServicer_to_server, servicer)
    return Service("sessions", (NAME,), register, access, nothing, nothing)


@pytest.fixture(params=[serving, inproc], ids=["socket", "inproc"])
async def side(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Any, Servicer, Any]]:
    servicer = Servicer()
    async with request.param(service(servicer), verifier=Verifier(SECRET, KEY)) as channel:
        yield pb_grpc.SessionsServiceStub(channel), servicer, channel


ME = user_metadata(sign_access_token(SECRET, "u1", 6 * 3600))


async def test_answer_and_identity(side: tuple[Any, Servicer, Any]) -> None:
    stub, servicer, _ = side
    answer = await stub.GetSession(pb.GetSessionRequest(session_id="a"), metadata=ME)
    assert answer.session.owner_id == "u1"
    answer.session.owner_id = "changed"
    assert servicer.kept is not None
    assert servicer.kept.owner_id == "u1"
    assert (
        await stub.GetSession(pb.GetSessionRequest(session_id="a"), metadata=service_metadata(KEY, "u2"))
    ).session.owner_id == "u2"


@pytest.mark.parametrize(
    ("request_", "metadata", "code", "reason"),
    [
        ("gone", ME, Code.NOT_FOUND, "SESSION_NOT_FOUND"),
        ("bug", ME, Code.INTERNAL, "INTERNAL"),
        ("", ME, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ("a", (), Code.UNAUTHENTICATED, "UNAUTHENTICATED"),
        ("a", user_metadata("x.y.z"), Code.UNAUTHENTICATED, "UNAUTHENTICATED"),
        ("a", user_metadata(sign_access_token(SECRET, "u1", -120)), Code.UNAUTHENTICATED, "UNAUTHENTICATED"),
        ("a", user_metadata(sign_access_token("t" * 32, "u1", 60)), Code.UNAUTHENTICATED, "UNAUTHENTICATED"),
        ("a", service_metadata("wrong", "u1"), Code.UNAUTHENTICATED, "UNAUTHENTICATED"),
    ],
)
async def test_refusals_look_the_same(side: Any, request_: str, metadata: Any, code: Code, reason: str) -> None:
    stub, _, _ = side
    with pytest.raises(RemoteError) as refused:
        await unary(lambda: stub.GetSession(pb.GetSessionRequest(session_id=request_), metadata=metadata))
    assert (refused.value.code, refused.value.reason) == (code, reason)
    assert "secret text" not in refused.value.message


async def test_a_long_refusal_keeps_its_reason(side: Any) -> None:
    """gRPC turns away trailers of more than 8 KiB by chance: so the text is cut."""
    stub, _, _ = side
    for _ in range(50):
        with pytest.raises(RemoteError) as refused:
            await unary(lambda: stub.GetSession(pb.GetSessionRequest(session_id="wordy"), metadata=ME))
        assert refused.value.reason == "SESSION_NOT_FOUND"
        assert refused.value.message == "é" * 498 + "…"
        assert refused.value.metadata == {"path": "/ä" * 132 + "/…", "other": "d" * 397 + "…"}


async def test_method_without_a_row_is_internal(side: Any) -> None:
    stub, _, _ = side
    with pytest.raises(RemoteError) as refused:
        await unary(lambda: stub.ListModels(pb.ListModelsRequest(), metadata=ME))
    assert refused.value.reason == "INTERNAL_ONLY"


async def test_broken_utf8_is_a_refusal(side: Any) -> None:
    _, _, channel = side
    call = channel.unary_unary(f"/{NAME}/GetSession")
    with pytest.raises(RemoteError) as refused:
        await unary(lambda: call(b"\x0a\x02\xff\xfe", metadata=ME))
    assert refused.value.reason == "INVALID_REQUEST"


async def test_stream_in_order_with_joined_bytes(side: Any) -> None:
    stub, _, _ = side
    got = [
        frame.caught_up.seq
        async for answer in stub.WatchEvents(pb.WatchEventsRequest(session_id="a"), metadata=ME)
        for frame in answer.frames
    ]
    assert got == [1, 2, 2, 3, 3]


async def test_stream_ends_with_its_refusal(side: Any) -> None:
    stub, servicer, _ = side
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        async for _ in stub.WatchEvents(pb.WatchEventsRequest(session_id="gone"), metadata=ME):
            pass
    assert from_rpc_error(failed.value).reason == "SESSION_NOT_FOUND"
    await asyncio.wait_for(servicer.closed.wait(), 5)


async def test_deadline(side: Any) -> None:
    stub, servicer, _ = side
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await stub.GetSession(pb.GetSessionRequest(session_id="slow"), metadata=ME, timeout=0.2)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        async for _ in stub.WatchEvents(pb.WatchEventsRequest(session_id="open"), metadata=ME, timeout=0.3):
            pass
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(servicer.closed.wait(), 5)


async def test_cancelling_the_reader_ends_the_servicer(side: Any) -> None:
    stub, servicer, _ = side

    async def read() -> None:
        async for _ in stub.WatchEvents(pb.WatchEventsRequest(session_id="open"), metadata=ME):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.2)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await asyncio.wait_for(servicer.closed.wait(), 5)


async def test_cancelling_the_call_between_two_answers_ends_the_servicer(side: Any) -> None:
    stub, servicer, _ = side
    call = stub.WatchEvents(pb.WatchEventsRequest(session_id="open"), metadata=ME)
    await anext(aiter(call))
    assert call.cancel()
    await asyncio.wait_for(servicer.closed.wait(), 5)
