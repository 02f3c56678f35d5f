"""A gateway on a real port, in front of fake services: in the process, and apart on a unix socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc
import httpx
import pytest

from services.gateway.server import Gateway, build, http_server
from services.gateway.settings import Settings
from services.rpc import testing
from services.rpc.identity import Verifier, sign_access_token
from tests.fakes.services import FakeIntegrations, FakeSandbox, FakeSessions

SECRET = "test-session-secret-0123456789abcdef"
KEY = "test-internal-key"


@dataclass
class Ground:
    """What a test holds in its hands."""

    gateway: Gateway
    settings: Settings
    base: str
    channel: grpc.aio.Channel
    sessions: FakeSessions = field(default_factory=FakeSessions)
    sandbox: FakeSandbox = field(default_factory=FakeSandbox)
    integrations: FakeIntegrations = field(default_factory=FakeIntegrations)

    @property
    def ws(self) -> str:
        return self.base.replace("http", "ws") + "/api/v1/stream"

    def token(self, user_id: str = "usr_ann", ttl: int = 900, secret: str = SECRET) -> str:
        return sign_access_token(secret, user_id, ttl)

    def bearer(self, user_id: str = "usr_ann") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(user_id)}"}

    def client(self, user_id: str | None = "usr_ann") -> httpx.AsyncClient:
        headers = {} if user_id is None else self.bearer(user_id)
        return httpx.AsyncClient(base_url=self.base, headers=headers, timeout=20)

    @contextlib.asynccontextmanager
    async def browser(self, email: str = "ann@example.com") -> AsyncIterator[httpx.AsyncClient]:
        """A client with the sign-in cookie, as the page has it."""
        async with httpx.AsyncClient(base_url=self.base, headers={"Origin": self.base}, timeout=20) as client:
            answer = await client.post("/api/v1/auth/dev-login", json={"email": email})
            assert answer.status_code == 200, answer.text
            yield client


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what the other side does in its own time."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def settings_for(folder: Path, **changes: object) -> Settings:
    made = Settings(session_secret=SECRET, internal_api_key=KEY, data_dir=folder, auth_dev_login=True, web_dist=folder)
    return replace(made, **changes)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(folder: Path, kind: str = "inproc", **changes: object) -> AsyncIterator[Ground]:
    settings = settings_for(folder, **changes)
    fakes = (FakeSessions(), FakeSandbox(), FakeIntegrations())
    ways = testing.inproc if kind == "inproc" else testing.serving
    verifier = Verifier(SECRET, KEY)
    async with ways(*(fake.service() for fake in fakes), verifier=verifier) as channel:
        gateway = await build(settings, lambda _target: channel)
        await gateway.service.start()
        try:
            async with http_server(gateway.app, "127.0.0.1", 0) as port:
                yield Ground(gateway, settings, f"http://127.0.0.1:{port}", channel, *fakes)
        finally:
            await gateway.service.stop()


@pytest.fixture(params=["inproc", "unix"])
async def ground(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ground]:
    async with running(tmp_path, request.param) as made:
        yield made
