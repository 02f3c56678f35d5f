"""What a browser's own fetch and WebSocket get: grpc-web unary calls, and two sessions on one socket."""

import base64
import struct
from typing import Any

import pytest
from google.rpc import error_details_pb2, status_pb2
from lucid.gateway.v1.accounts_pb2 import StreamRequest, StreamResponse
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Event
from playwright.async_api import Page

from tests.fakes.model_server import ModelServer, Say
from tests.grounds.page_user import PageUser
from tests.grounds.product import Product, StartProduct

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

_FETCH = """async ([path, body]) => {
  const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
  const headers = {'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1'};
  const answer = await fetch(path, {method: 'POST', headers, body: bytes});
  const data = new Uint8Array(await answer.arrayBuffer());
  return [answer.status, answer.headers.get('content-type'), btoa(String.fromCharCode(...data))];
}"""

# Opens a socket, sends what it is given, and collects messages until the page's own count of them stands still.
_SOCKET = """async (requests) => {
  const socket = new WebSocket(location.origin.replace('http', 'ws') + '/api/v1/stream');
  socket.binaryType = 'arraybuffer';
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
  const got = [];
  socket.onmessage = (message) => got.push(btoa(String.fromCharCode(...new Uint8Array(message.data))));
  for (const request of requests) socket.send(Uint8Array.from(atob(request), (letter) => letter.charCodeAt(0)));
  for (let before = -1; got.length === 0 || before < got.length; ) {
    before = got.length;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  socket.close();
  return got;
}"""


@pytest.fixture
async def ground(product: Product, page: Page) -> PageUser:
    """Somebody who is signed in, at both forms of the product."""
    user = PageUser(page, product.base_url)
    await user.sign_in()
    return user


async def fetch(user: PageUser, method: str, message: Any) -> tuple[list[bytes], dict[str, str]]:
    """A unary call by the page's fetch: the messages of the answer, and its trailers."""
    data = message.SerializeToString()
    body = base64.b64encode(b"\0" + struct.pack(">I", len(data)) + data).decode()
    path = f"/lucid.sessions.v1.SessionsService/{method}"
    status, kind, answer = await user.page.evaluate(_FETCH, [path, body])
    assert (status, kind) == (200, "application/grpc-web+proto")
    rest, messages, trailers = base64.b64decode(answer), [], {}
    while rest:
        flag, size = struct.unpack(">BI", rest[:5])
        part, rest = rest[5 : 5 + size], rest[5 + size :]
        assert len(part) == size, "a frame is shorter than it says"
        if flag == 0x80:
            assert not rest, "the trailers are not the last frame"
            trailers = dict(line.split(":", 1) for line in part.decode().splitlines())
        else:
            assert flag == 0
            messages.append(part)
    return messages, trailers


def reason(trailers: dict[str, str]) -> str:
    packed = trailers["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


async def test_grpc_web_answers_and_refuses(ground: PageUser) -> None:
    created, trailers = await fetch(ground, "CreateSession", pb.CreateSessionRequest(task="Nothing much."))
    assert trailers["grpc-status"].strip() == "0"
    session = pb.CreateSessionResponse.FromString(created[0]).session
    found, trailers = await fetch(ground, "GetSession", pb.GetSessionRequest(session_id=session.session_id))
    assert trailers["grpc-status"].strip() == "0"
    assert [pb.GetSessionResponse.FromString(one).session.task for one in found] == ["Nothing much."]

    nothing, trailers = await fetch(ground, "GetSession", pb.GetSessionRequest(session_id="ses_unknown"))
    assert (nothing, trailers["grpc-status"].strip(), reason(trailers)) == ([], "5", "SESSION_NOT_FOUND")
    nothing, trailers = await fetch(ground, "GetSession", pb.GetSessionRequest())
    assert (nothing, trailers["grpc-status"].strip(), reason(trailers)) == ([], "3", "INVALID_REQUEST")
    await ground.page.context.clear_cookies()
    nothing, trailers = await fetch(ground, "GetSession", pb.GetSessionRequest(session_id=session.session_id))
    assert (nothing, trailers["grpc-status"].strip(), reason(trailers)) == ([], "16", "UNAUTHENTICATED")


async def test_two_sessions_on_one_socket(start_product: StartProduct, page: Page) -> None:
    with ModelServer(lambda messages: Say(f"You said: {messages[1]['content'][-6:]}")) as model:
        env = {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_API_KEY": "sk-test", "DEFAULT_MODEL": "openai/gpt-5"}
        user = PageUser(page, start_product(env=env | {"SANDBOX_BACKEND": "bubblewrap"}).base_url)
        await user.sign_in()
        sessions = {}
        for number, task in enumerate(("first.", "other."), 1):
            sessions[number] = await user.start(task)
            await user.phase("completed")
        watches = [watch(number, session_id) for number, session_id in sessions.items()]
        got = [StreamResponse.FromString(base64.b64decode(one)) for one in await page.evaluate(_SOCKET, watches)]
    for number, session_id in sessions.items():
        answers = [pb.WatchEventsResponse.FromString(one.frames.response) for one in got if is_of(one, number)]
        events: list[Event] = [f.event for answer in answers for f in answer.frames if f.HasField("event")]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert {event.session_id for event in events} == {session_id}
        said = [event.text_completed.text for event in events if event.HasField("text_completed")]
        assert said == [f"You said: {('first.', 'other.')[number - 1]}"]


def watch(number: int, session_id: str) -> str:
    request = StreamRequest()
    request.watch.stream_id = number
    request.watch.watch.session_id = session_id
    return base64.b64encode(request.SerializeToString()).decode()


def is_of(response: StreamResponse, number: int) -> bool:
    return response.HasField("frames") and response.frames.stream_id == number
