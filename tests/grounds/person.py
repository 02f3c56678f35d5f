"""Somebody who uses a running product through its typed clients, and remembers what they were shown."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import grpc
from lucid.sandbox.v1 import sandbox_pb2 as sandbox
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Event, Frame

from services.rpc.identity import user_metadata
from services.rpc.status import RemoteError
from services.sandbox.client import SandboxClient
from services.sessions.client import SessionsClient
from tests.fakes.viewer import Viewer
from tests.grounds.product import Product

PATIENCE = 60.0


def sign_in(product: Product, email: str = "ada@example.org") -> str:
    """An access token by the dev sign-in."""
    body = json.dumps({"email": email}).encode()
    url = f"{product.base_url}/api/v1/auth/dev-login"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["token"])


class Person:
    """One signed-in user. Watches go on over restarts of the product, from where they were."""

    def __init__(self, product: Product, email: str = "ada@example.org") -> None:
        self.product = product
        self.metadata = user_metadata(sign_in(product, email))
        self.sessions = SessionsClient(grpc.aio.insecure_channel(product.rpc["sessions"]), self.metadata)
        self.sandbox = SandboxClient(grpc.aio.insecure_channel(product.rpc["sandbox"]), self.metadata)

    async def create(self, task: str, **fields: Any) -> pb.Session:
        return (await self.sessions.create_session(pb.CreateSessionRequest(task=task, **fields))).session

    async def seeded(self, task: str = "Solve the issue in ISSUE.md", **fields: Any) -> pb.Session:
        """A session on the seeded repository."""
        repository = pb.Repository(provider="local", full_name="lucid/teatime")
        return await self.create(task, repository=repository, **fields)

    async def follow(self, viewer: Viewer, until: Callable[[Frame], bool], patience: float = PATIENCE) -> None:
        """Watches until a frame for which `until` holds has been shown; a broken stream is taken up again."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    if await self._watch_once(viewer, until):
                        return
            except (RemoteError, grpc.RpcError):
                await asyncio.sleep(0.1)
            except TimeoutError:
                break
        last = [event.WhichOneof("payload") for event in viewer.events[-8:]]
        raise AssertionError(f"not seen within {patience} s; last events: {last}\n{self.product.log[-3000:]}")

    async def _watch_once(self, viewer: Viewer, until: Callable[[Frame], bool]) -> bool:
        answers = self.sessions.watch_events(viewer.request())
        try:
            async for answer in answers:
                for frame in answer.frames:
                    if not viewer.feed(frame):
                        return False
                    if until(frame):
                        return True
        finally:
            await answers.aclose()  # type: ignore[attr-defined]
        return False

    async def log(self, session_id: str) -> list[Event]:
        """The durable log, whole."""
        events: list[Event] = []
        while True:
            request = pb.ListEventsRequest(session_id=session_id, after_seq=len(events), page_size=1000)
            page = (await self.sessions.list_events(request)).events
            events += page
            if len(page) < 1000:
                return events

    async def read_file(self, session: pb.Session, path: str) -> bytes:
        request = sandbox.ReadFileRequest(sandbox_id=session.sandbox_id, path=path)
        return (await self.sandbox.read_file(request)).data


def turn_ended(frame: Frame) -> bool:
    """The turn is over, however."""
    return frame.event.HasField("turn_completed")


def is_event(kind: str) -> Callable[[Frame], bool]:
    """A frame with this durable kind."""
    return lambda frame: frame.HasField("event") and frame.event.WhichOneof("payload") == kind
