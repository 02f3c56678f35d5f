"""Input that is wrong gets its stable reason in the contract's shape, at the edge; nothing is made and nothing lost."""

from collections.abc import Awaitable
from typing import Any

import grpc
import pytest
from lucid.integrations.v1 import integrations_pb2 as ipb
from lucid.sandbox.v1 import sandbox_pb2 as spb
from lucid.sessions.v1 import sessions_pb2 as pb

from services.integrations.client import IntegrationsClient
from services.rpc.errors import Code
from services.rpc.status import RemoteError, from_rpc_error
from tests.fakes.viewer import Viewer
from tests.grounds.hosted import MODEL, Ground
from tests.grounds.person import Person, turn_ended
from tests.grounds.rest import Reply, Rest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
MEGABYTES = 10 * 1024 * 1024
ABSENT = "ses_01ARZ3NDEKTSV4RRFFQ69G5FAV"


class World:
    """Ada's finished session, Bob who is somebody else, and a session that is gone."""

    def __init__(self, ground: Ground, session: pb.Session) -> None:
        self.ground, self.session = ground, session
        self.ada, self.rest = ground.person, ground.rest
        self.bob, self.bob_rest = Person(ground.product, "bob@example.org"), Rest(ground.product, "bob@example.org")
        self.nobody = Rest(ground.product, "")
        self.git = IntegrationsClient(
            grpc.aio.insecure_channel(ground.product.rpc["integrations"]), ground.person.metadata
        )
        self.gone = ""

    @property
    def id(self) -> str:
        return self.session.session_id

    async def state(self) -> tuple[Any, ...]:
        """Everything that a refused call must leave as it was."""
        return (
            self.rest.get("/sessions").text,
            self.bob_rest.get("/sessions").text,
            self.rest.get("/integrations").text,
            [event.SerializeToString() for event in await self.ada.log(self.id)],
        )


@pytest.fixture
async def world(ground: Ground) -> World:
    assert ground.rest.post("/integrations", {"provider": "github", "token": ground.canary.token}).status == 200
    session = await ground.person.create("Nothing much.", model=MODEL)
    await ground.person.follow(Viewer(session.session_id), turn_ended)
    wanted = pb.GetSessionRequest(session_id=session.session_id)
    world = World(ground, (await ground.person.sessions.get_session(wanted)).session)
    gone = await ground.person.create("Soon gone.", model=MODEL)
    await ground.person.sessions.delete_session(pb.DeleteSessionRequest(session_id=gone.session_id))
    world.gone = gone.session_id
    return world


def invalid(reply: Reply, *place: str) -> None:
    """The contract's list of what is wrong, and where; never what was sent."""
    assert reply.status == 422, reply.text
    assert all(set(found) == {"loc", "msg", "type"} for found in reply.detail)
    assert list(place) in [found["loc"] for found in reply.detail], reply.text


async def test_rest_refuses_in_the_contracts_shape(world: World) -> None:
    before = await world.state()
    rest, here = world.rest, world.ground.github.url
    invalid(rest.post("/sessions", {}), "body", "task")
    invalid(rest.post("/sessions", {"unknown": 1, "taks": "x"}), "body", "task")
    invalid(rest.post("/sessions", {"task": ""}), "body", "task")
    invalid(rest.post("/sessions", {"task": 7}), "body", "task")
    invalid(rest.post("/sessions", {"task": "x" * 200_001}), "body", "task")
    invalid(rest.post("/integrations", {"provider": "github"}), "body", "token")
    assert rest.call("POST", "/sessions", raw=b'{"task": "\xff\xfe"}').status in (400, 422)
    assert rest.call("POST", "/sessions", raw=b'{"task": "x"').status == 422
    too_large = rest.call("POST", "/sessions", raw=b'{"task": "' + b"x" * MEGABYTES + b'"}')
    assert (too_large.status, too_large.detail) == (413, "Request body is too large.")
    for url in ("not a repository", "ftp://x/y/z", f"{here}/only-owner", f"{here}/a/../b", "https://example.org/a/b"):
        refuse_session(rest.post("/sessions", {"task": "x", "repoUrl": url}), 400)
    refuse_session(rest.post("/sessions", {"task": "x", "repoUrl": f"{here}/ada/absent"}), 404)
    refuse_session(world.bob_rest.post("/sessions", {"task": "x", "repoUrl": f"{here}/ada/tea"}), 404)
    refuse_session(rest.post("/sessions", {"task": "x", "model": "nobody/nothing"}), 400)
    refuse_session(rest.post("/sessions", {"task": "x", "model": "anthropic/claude-sonnet-5-5"}), 400)
    refused = rest.post("/integrations", {"provider": "github", "token": "ghp_wrong"})
    assert (refused.status, "refused the token" in refused.detail) == (422, True)
    assert rest.post("/integrations", {"provider": "sourceforge", "token": "x"}).status == 400
    assert rest.get("/sessions/../../etc/passwd").status in (400, 404)
    assert await world.state() == before


def refuse_session(reply: Reply, status: int) -> None:
    """A session that is not made has a shape of its own."""
    assert reply.status == status, reply.text
    assert reply.detail["status"] == "error"
    assert reply.detail["message"]


async def test_rest_hides_what_is_not_ones_own(world: World) -> None:
    """Absent, deleted, somebody else's: the same words."""
    before = await world.state()
    for who, name in ((world.rest, ABSENT), (world.rest, world.gone), (world.bob_rest, world.id)):
        missing = (404, f"Session {name} not found.")
        replies = {
            "message": who.post(f"/sessions/{name}/messages", {"content": "x"}),
            "stop": who.post(f"/sessions/{name}/stop"),
            "delete": who.call("DELETE", f"/sessions/{name}"),
            "events": who.get(f"/sessions/{name}/events"),
            "watch": who.get(f"/sessions/{name}/watch"),
            "files": who.get(f"/files/list?session_id={name}"),
            "file": who.get(f"/files/read?session_id={name}&path=x"),
        }
        if name == world.gone:
            # Safe to repeat until it is gone; gone it is like one that never was.
            assert replies.pop("delete").status in (200, 404)
        assert {way: (reply.status, reply.detail) for way, reply in replies.items()} == dict.fromkeys(replies, missing)
        assert (who.get(f"/chats/{name}").status, who.get(f"/chats/{name}").detail) == (404, "Chat not found")
    for path in ("/sessions", "/chats", "/integrations", f"/sessions/{world.id}/events"):
        nobody = world.nobody.get(path)
        assert (nobody.status, nobody.detail) == (401, "Authentication required")
    assert await world.state() == before


async def test_rest_keeps_paths_and_cursors_in_bounds(world: World) -> None:
    before = await world.state()
    for path in ("../../etc/passwd", "/workspace/../etc/passwd", "a/../../b", "%2e%2e/%2e%2e/etc/passwd"):
        reply = world.rest.get(f"/files/read?session_id={world.id}&path={path}")
        assert (reply.status, reply.detail) == (400, "Path traversal not allowed."), path
    assert world.rest.get(f"/files/read?session_id={world.id}&path=a%00b").status == 400
    absent = world.rest.get(f"/files/read?session_id={world.id}&path=no/such")
    assert (absent.status, absent.detail) == (404, "File not found: no/such")
    assert world.rest.get(f"/sessions/{world.id}/watch?after_seq=99999").status == 400
    assert world.rest.get(f"/sessions/{world.id}/events?after_seq=99999").body["events"] == []
    invalid(world.rest.get(f"/sessions/{world.id}/events?after_seq=-1"), "query", "after_seq")
    invalid(world.rest.get(f"/sessions/{world.id}/events?limit=0"), "query", "limit")
    assert await world.state() == before


async def reason(call: Awaitable[Any]) -> tuple[Code, str]:
    """What a call is refused with."""
    with pytest.raises(RemoteError) as refused:
        await call
    assert "Traceback" not in refused.value.message
    return refused.value.code, refused.value.reason


async def first(answers: Any) -> Any:
    return await anext(answers)


async def test_grpc_refuses_with_a_stable_reason(world: World) -> None:
    before = await world.state()
    ada, here = world.ada, world.ground.github.url
    create = ada.sessions.create_session

    def on(url: str) -> Awaitable[Any]:
        return create(pb.CreateSessionRequest(task="x", repository=pb.Repository(url=url)))

    invalid_request = (Code.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert await reason(create(pb.CreateSessionRequest())) == invalid_request
    assert await reason(create(pb.CreateSessionRequest(task="x" * 200_001))) == invalid_request
    assert await reason(ada.sessions.list_sessions(pb.ListSessionsRequest(page_size=-1))) == invalid_request
    for url in ("not a repository", "ftp://x/y/z", f"{here}/only-owner", "--upload-pack=x"):
        assert await reason(on(url)) == (Code.INVALID_ARGUMENT, "INVALID_REPOSITORY"), url
    assert await reason(on(f"{here}/ada/absent")) == (Code.NOT_FOUND, "REPOSITORY_NOT_FOUND")
    unknown = pb.CreateSessionRequest(task="x", model="nobody/nothing")
    assert await reason(create(unknown)) == (Code.INVALID_ARGUMENT, "UNKNOWN_MODEL")
    keyless = pb.CreateSessionRequest(task="x", model="anthropic/claude-sonnet-5-5")
    assert await reason(create(keyless)) == (Code.INVALID_ARGUMENT, "NO_MODEL_KEY")
    token = ipb.SaveConnectionRequest(provider="github", token="ghp_wrong")
    assert await reason(world.git.save_connection(token)) == (Code.FAILED_PRECONDITION, "TOKEN_REFUSED")
    beyond = pb.WatchEventsRequest(session_id=world.id, after_seq=99_999)
    assert await reason(first(ada.sessions.watch_events(beyond))) == (Code.OUT_OF_RANGE, "CURSOR_BEYOND_END")
    outside = spb.ReadFileRequest(sandbox_id=world.session.sandbox_id, path="../../etc/passwd")
    assert await reason(ada.sandbox.read_file(outside)) == (Code.INVALID_ARGUMENT, "PATH_OUTSIDE_WORKSPACE")
    assert await world.state() == before


async def test_grpc_hides_what_is_not_ones_own(world: World) -> None:
    before = await world.state()
    hidden = (Code.NOT_FOUND, "SESSION_NOT_FOUND")
    for who, name in ((world.ada, ABSENT), (world.ada, world.gone), (world.bob, world.id)):
        calls = who.sessions
        assert await reason(calls.get_session(pb.GetSessionRequest(session_id=name))) == hidden
        assert await reason(calls.send_message(pb.SendMessageRequest(session_id=name, text="x"))) == hidden
        assert await reason(calls.stop_session(pb.StopSessionRequest(session_id=name))) == hidden
        assert await reason(calls.rename_session(pb.RenameSessionRequest(session_id=name, title="x"))) == hidden
        assert await reason(calls.list_events(pb.ListEventsRequest(session_id=name))) == hidden
        assert await reason(first(calls.watch_events(pb.WatchEventsRequest(session_id=name)))) == hidden
        answer = pb.ResolveApprovalRequest(session_id=name, request_id="itm_x")
        assert await reason(calls.resolve_approval(answer)) == hidden
    stolen = spb.ReadFileRequest(sandbox_id=world.session.sandbox_id, path="x")
    assert await reason(world.bob.sandbox.read_file(stolen)) == (Code.NOT_FOUND, "SANDBOX_NOT_FOUND")
    assert await world.state() == before


async def test_grpc_refuses_bytes_that_are_no_message(world: World) -> None:
    before = await world.state()
    async with grpc.aio.insecure_channel(world.ground.product.rpc["sessions"]) as channel:
        raw: Any = channel.unary_unary("/lucid.sessions.v1.SessionsService/CreateSession")
        for data in (b"\x12\x02\xff\xfe", b"\x12\xff", b"\xff" * 20):
            assert await raw_reason(raw, world, data) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST"), data
        code, _ = await raw_reason(raw, world, b"\x12" + varint(MEGABYTES) + b"x" * MEGABYTES)
        assert code is Code.RESOURCE_EXHAUSTED
        # Fields that nobody knows do no harm: tomorrow's client may send them.
        known = pb.CreateSessionRequest().SerializeToString() + b"\xfa\x3f\x01x"
        assert await raw_reason(raw, world, known) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert await world.state() == before


async def raw_reason(call: Any, world: World, data: bytes) -> tuple[Code, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(data, metadata=world.ada.metadata, timeout=20)
    error = from_rpc_error(refused.value)
    return error.code, error.reason


def varint(number: int) -> bytes:
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])
