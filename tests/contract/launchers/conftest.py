"""One suite over every way to confine: the real service on a real socket, a sandbox of bubblewrap or of Docker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lucid.sandbox.v1 import network_pb2
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.identity import Verifier, service_metadata
from services.rpc.ids import new_id
from services.rpc.testing import serving
from services.sandbox.backends.control import ControlSockets
from services.sandbox.backends.egress.proxy import EgressProxy
from services.sandbox.client import SandboxClient
from services.sandbox.ports import Clock
from services.sandbox.server import UTC_CLOCK, build
from services.sandbox.settings import Settings

SECRET, KEY, OWNER, SESSION = "s" * 32, "k" * 32, "usr_owner", "ses_contract"


@dataclass
class Ran:
    """A command's frames put together."""

    output: bytes = b""
    offsets: list[int] = field(default_factory=list)
    started: pb.RunCommandResponse.Started = field(default_factory=pb.RunCommandResponse.Started)
    exit: pb.RunCommandResponse.Exit = field(default_factory=pb.RunCommandResponse.Exit)
    blocked: list[network_pb2.BlockedCall] = field(default_factory=list)

    @property
    def refusals(self) -> list[tuple[str, int, str]]:
        """Calls that did not go out: host, port, why."""
        name = network_pb2.BlockedCall.Reason.Name
        return [(call.host, call.port, name(call.reason).removeprefix("REASON_")) for call in self.blocked]

    @property
    def reason(self) -> str:
        return pb.RunCommandResponse.Exit.Reason.Name(self.exit.reason)

    def take(self, frame: pb.RunCommandResponse) -> None:
        if frame.HasField("started"):
            self.started = frame.started
        elif frame.HasField("output"):
            self.offsets.append(frame.output.offset)
            self.output += frame.output.data
        elif frame.HasField("blocked"):
            self.blocked.append(frame.blocked)
        else:
            self.exit = frame.exit


@dataclass
class Bench:
    """A sandbox and short ways to use it."""

    client: SandboxClient
    settings: Settings
    sandbox_id: str

    def key(self) -> str:
        return new_id("cmd")

    def request(self, command: str, key: str = "", **fields: Any) -> pb.RunCommandRequest:
        return pb.RunCommandRequest(sandbox_id=self.sandbox_id, command_id=key or self.key(), command=command, **fields)

    async def run(self, command: str, key: str = "", **fields: Any) -> Ran:
        ran = Ran()
        async for frame in self.client.run_command(self.request(command, key, **fields)):
            ran.take(frame)
        return ran

    async def until(self, command: str) -> None:
        """Runs a test inside until it is true."""
        for _ in range(200):
            if not (await self.run(command)).exit.exit_code:
                return
            await asyncio.sleep(0.05)
        pytest.fail(f"never true inside: {command}")

    async def stop(self, key: str = "") -> int:
        request = pb.StopCommandRequest(sandbox_id=self.sandbox_id, command_id=key)
        return (await self.client.stop_command(request)).ended

    async def read(self, path: str, **fields: Any) -> pb.ReadFileResponse:
        return await self.client.read_file(pb.ReadFileRequest(sandbox_id=self.sandbox_id, path=path, **fields))

    async def create(self, path: str, content: str, key: str = "") -> pb.EditFileResponse:
        create = pb.EditFileRequest.Create(content=content, overwrite=True)
        return await self.edit(path, key, create=create)

    async def edit(self, path: str, key: str = "", **change: Any) -> pb.EditFileResponse:
        request = pb.EditFileRequest(sandbox_id=self.sandbox_id, edit_id=key or self.key(), path=path, **change)
        return await self.client.edit_file(request)

    async def snapshot(self, path: str = "", since: str = "") -> pb.CreateSnapshotResponse:
        request = pb.CreateSnapshotRequest(sandbox_id=self.sandbox_id, path=path, since_tree=since)
        return await self.client.create_snapshot(request)

    async def helper(self) -> bytes:
        """What tells one helper from another: its start."""
        return (await self.run("cut -d' ' -f22 /proc/$PPID/stat")).output

    async def kill_helper(self) -> None:
        """As the kernel may do it for want of memory."""
        await ControlSockets(self.settings.data_dir).kill(self.sandbox_id)

    async def bring_up(self) -> pb.CreateSandboxResponse:
        return await self.client.create_sandbox(order(self.sandbox_id))

    async def delete(self, keep_workspace: bool = False) -> None:
        request = pb.DeleteSandboxRequest(sandbox_id=self.sandbox_id, keep_workspace=keep_workspace)
        await self.client.delete_sandbox(request)


def order(sandbox_id: str) -> pb.CreateSandboxRequest:
    return pb.CreateSandboxRequest(
        sandbox_id=sandbox_id,
        owner_id=OWNER,
        session_id=SESSION,
        env={"LUCID_TEST": "1"},
        git_config=[
            pb.GitConfigEntry(key="user.name", value='A "quoted" name'),
            pb.GitConfigEntry(key="user.email", value="agent@example.org"),
        ],
    )


def settings_for(backend: str, data_dir: Path, **changes: Any) -> Settings:
    return Settings(session_secret=SECRET, internal_api_key=KEY, data_dir=data_dir, backend=backend, **changes)


@contextlib.asynccontextmanager
async def running(
    settings: Settings, clock: Clock = UTC_CLOCK, egress: EgressProxy | None = None
) -> AsyncIterator[SandboxClient]:
    """The service on these settings, until the block ends."""
    refuse = lambda target: pytest.fail(f"the sandbox service calls {target}")  # noqa: E731
    service = await build(settings, refuse, clock, egress)
    async with serving(service, verifier=Verifier(SECRET, KEY)) as channel:
        yield SandboxClient(channel, service_metadata(KEY, OWNER))


@contextlib.asynccontextmanager
async def sandbox_on(settings: Settings, egress: EgressProxy | None = None) -> AsyncIterator[Bench]:
    """A service and a sandbox that is removed at the end."""
    async with running(settings, egress=egress) as client:
        bench = Bench(client, settings, new_id("sbx"))
        await bench.bring_up()
        try:
            yield bench
        finally:
            await bench.delete()


DOCKER = pytest.param("docker", marks=pytest.mark.docker)


@pytest.fixture(params=["bubblewrap", DOCKER])
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    return str(request.param)


@pytest.fixture
async def bench(backend: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with sandbox_on(settings_for(backend, tmp_path, memory_limit="256m", pids_limit=120)) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["bubblewrap", DOCKER])
async def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """One sandbox for all cases of a file that ask for it: they keep to folders of their own."""
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    settings = settings_for(request.param, tmp_path_factory.mktemp("data"), memory_limit="512m", pids_limit=200)
    async with sandbox_on(settings) as made:
        yield made
