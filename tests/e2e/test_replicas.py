"""Two gateways and two sessions services: a client that hops between them sees one log; one that goes is replaced."""

import asyncio
import contextlib
import http.cookiejar
import itertools
import json
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import grpc
import pytest
from lucid.gateway.v1.accounts_pb2 import StreamRequest, StreamResponse
from lucid.sessions.v1.event_pb2 import CHANNEL_STDOUT, CHANNEL_THOUGHT, Event, Frame, TurnCompleted
from lucid.sessions.v1.sessions_pb2 import WatchEventsRequest, WatchEventsResponse

from services.rpc.channels import open_channel
from services.sessions.client import SessionsClient
from tests.e2e.test_kill import assert_every_item_ended_once, marks
from tests.fakes.model_server import ModelServer, Say
from tests.fakes.viewer import Viewer
from tests.grounds.person import Person, turn_ended
from tests.grounds.replicas import Replicas, StartReplicas

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
HOP_SECONDS, CONNECT_SECONDS = 0.2, 20.0
COMMANDS = 3


def answer(messages: list[dict[str, Any]]) -> Say:
    """Long texts and slow commands in turn, then the end."""
    number = sum(1 for message in messages if message["role"] == "tool")
    words = [f"word-{number}-{n} žluť " for n in range(70)]
    if number == COMMANDS:
        return Say("".join(words), pieces=words, delay=0.03)
    command = f"echo run-{number} >> /workspace/runs.log; for n in $(seq 20); do echo tick-{number}-$n; sleep 0.1; done"
    return Say("".join(words), pieces=words, calls=[("run_command", {"command": command})], delay=0.03)


@contextlib.contextmanager
def replicas(start: StartReplicas) -> Any:
    with ModelServer(answer) as model:
        env = {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_API_KEY": "sk-test", "SANDBOX_BACKEND": "bubblewrap"}
        yield start(env)


class Anywhere(Person):
    """A person whose calls go round all replicas."""

    def __init__(self, product: Replicas) -> None:
        super().__init__(product)
        self.sessions = SessionsClient(open_channel(product.sessions_target), self.metadata)


Frames = AsyncIterator[Frame]
Place = Callable[[WatchEventsRequest], contextlib.AbstractAsyncContextManager[Frames]]


def native(address: str, metadata: Any) -> Place:
    """WatchEvents of one sessions service."""

    @contextlib.asynccontextmanager
    async def watch(request: WatchEventsRequest) -> AsyncIterator[Frames]:
        async with grpc.aio.insecure_channel(address) as channel:
            answers = SessionsClient(channel, metadata).watch_events(request)

            async def frames() -> Frames:
                async for answer in answers:
                    for frame in answer.frames:
                        yield frame

            async with contextlib.aclosing(answers), contextlib.aclosing(frames()) as coming:  # type: ignore[type-var]
                yield coming

    return watch


def browser(base_url: str, cookies: dict[str, str]) -> Place:
    """The page's socket at one gateway, with the cookie that any gateway has given."""

    @contextlib.asynccontextmanager
    async def watch(request: WatchEventsRequest) -> AsyncIterator[Frames]:
        async with (
            aiohttp.ClientSession(cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
            http.ws_connect(f"{base_url}/api/v1/stream", headers={"Origin": base_url}, max_msg_size=0) as socket,
        ):
            asked = StreamRequest(watch=StreamRequest.Watch(stream_id=1, watch=request))
            await socket.send_bytes(asked.SerializeToString())

            async def frames() -> Frames:
                async for message in socket:
                    came = StreamResponse.FromString(message.data)
                    assert not came.HasField("end"), came.end.reason
                    for frame in WatchEventsResponse.FromString(came.frames.response).frames:
                        yield frame

            async with contextlib.aclosing(frames()) as coming:  # type: ignore[type-var]
                yield coming

    return watch


def sign_in(base_url: str, email: str = "ada@example.org") -> tuple[dict[str, str], str]:
    """Signs in as a browser does: its cookies, and who that is."""
    jar = http.cookiejar.CookieJar()
    body = json.dumps({"email": email}).encode()
    headers = {"Content-Type": "application/json", "Origin": base_url}
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with opener.open(urllib.request.Request(f"{base_url}/api/v1/auth/dev-login", body, headers), timeout=10) as reply:
        user_id = json.load(reply)["user"]["id"]
    return {cookie.name: str(cookie.value) for cookie in jar}, user_id


async def visit(place: Place, viewer: Viewer, shown: Counter[str]) -> bool:
    """Watches for HOP_SECONDS from when it has caught up; True once the turn has ended."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CONNECT_SECONDS) as limit, place(viewer.request()) as frames:
            async for frame in frames:
                kind = frame.WhichOneof("frame") or ""
                shown[kind] += 1
                assert viewer.feed(frame), f"a gap: {frame}"
                if turn_ended(frame):
                    return True
                if kind == "caught_up":
                    limit.reschedule(loop.time() + HOP_SECONDS)
    return False


async def test_a_client_that_hops_sees_the_log(start_replicas: StartReplicas) -> None:
    with replicas(start_replicas) as product:
        person = Anywhere(product)
        cookies, _ = sign_in(product.base_urls[0])
        places = [
            native(product.rpc["sessions-1"], person.metadata),
            browser(product.base_urls[0], cookies),
            native(product.rpc["sessions-2"], person.metadata),
            browser(product.base_urls[1], cookies),
        ]
        session = await person.create("Talk and run.", model="openai/gpt-5")
        viewer, shown = Viewer(session.session_id), [Counter[str]() for _ in places]
        async with asyncio.timeout(200):
            for number in itertools.count():
                if await visit(places[number % len(places)], viewer, shown[number % len(places)]):
                    break
        stored = await person.log(session.session_id)
    assert viewer.events == stored[: len(viewer.events)]
    assert viewer.open == {}
    assert viewer.repeated_events == 0
    produced = sum(len(event.text_completed.text.encode()) for event in stored) + sum(
        event.command_completed.total_bytes for event in stored
    )
    # Nothing twice: what was shown while it was written is not more than what was written.
    assert viewer.delta_bytes <= produced + viewer.taken_back
    # Each of the four has shown tokens while they were written.
    assert all(count["delta"] for count in shown), shown
    assert outcome(stored) == TurnCompleted.OUTCOME_DONE


async def test_any_gateway_knows_who_has_signed_in_at_another(start_replicas: StartReplicas) -> None:
    with replicas(start_replicas) as product:
        first, second = product.base_urls
        cookies, user_id = sign_in(first)
        async with aiohttp.ClientSession(cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http_session:
            me = [await (await http_session.get(f"{url}/api/v1/auth/me")).json() for url in (first, second)]
            assert [answer["user"]["id"] for answer in me] == [user_id, user_id]
            ended = await http_session.post(f"{second}/api/v1/auth/logout", headers={"Origin": second})
            assert ended.status == 200
            assert (await http_session.get(f"{first}/api/v1/auth/me")).status == 401
        # Somebody new at both at once is one person.
        new = await asyncio.gather(*(asyncio.to_thread(sign_in, url, "bo@example.org") for url in (first, second)))
        assert new[0][1] == new[1][1] != user_id


def in_text(frame: Frame) -> bool:
    return frame.delta.channel == CHANNEL_THOUGHT and frame.delta.offset > 30


def in_output(frame: Frame) -> bool:
    return frame.delta.channel == CHANNEL_STDOUT and frame.delta.offset > 5


@pytest.mark.parametrize("how", ["sigterm", "kill9"])
async def test_a_session_goes_on_when_its_owner_goes(start_replicas: StartReplicas, how: str) -> None:
    with replicas(start_replicas) as product:
        person = Anywhere(product)
        session = await person.create("Talk and run.", model="openai/gpt-5")
        viewer = Viewer(session.session_id)
        owners = []
        for point in (in_text, in_output):
            await person.follow(viewer, point)
            owners.append(product.owner(session.session_id))
            if how == "sigterm":
                assert await asyncio.to_thread(product.end, owners[-1]) == 0
            else:
                product.kill9(owners[-1])
            await person.follow(viewer, further_than(viewer.last_seq + 1))
            await asyncio.to_thread(product.start)
        await person.follow(viewer, turn_ended)
        stored = await person.log(session.session_id)
        ran = Counter((await marks(person, session)).decode().split())
    assert set(owners) == {"sessions-1", "sessions-2"}
    assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
    assert viewer.events == stored[: len(viewer.events)]
    assert_every_item_ended_once(stored)
    assert ran == {f"run-{number}": 1 for number in range(COMMANDS)}
    assert outcome(stored) == TurnCompleted.OUTCOME_DONE


def further_than(seq: int) -> Callable[[Frame], bool]:
    return lambda frame: frame.event.seq > seq


def outcome(events: list[Event]) -> int:
    return next(event.turn_completed.outcome for event in events if event.HasField("turn_completed"))
