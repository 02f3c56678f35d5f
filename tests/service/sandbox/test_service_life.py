"""Starting, dying, starting again: what is kept, what is found, what is removed."""

import asyncio
import contextlib
import random
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.channels import open_channel
from services.rpc.errors import Code
from services.rpc.identity import Verifier, service_metadata
from services.rpc.ids import new_id
from services.rpc.status import RemoteError
from services.rpc.testing import inproc
from services.sandbox.client import SandboxClient
from services.sandbox.server import build
from tests.contract.launchers.conftest import KEY, OWNER, SECRET, Bench, order, running, sandbox_on, settings_for
from tests.grounds.canary import with_argument
from tests.grounds.sandbox_process import SandboxProcess

BACKENDS = ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    return str(request.param)


async def test_a_sandbox_is_used_again_without_being_asked_for(backend: str, tmp_path: Path) -> None:
    settings = settings_for(backend, tmp_path)
    sandbox_id = new_id("sbx")
    async with running(settings) as client:
        bench = Bench(client, settings, sandbox_id)
        await bench.bring_up()
        await bench.create("file", "text")
    async with running(settings) as client:
        asked = pb.GetSandboxRequest(sandbox_id=sandbox_id)
        assert (await client.get_sandbox(asked)).sandbox.state == pb.Sandbox.STATE_READY
        bench = Bench(client, settings, sandbox_id)
        await bench.kill_helper()
        assert (await bench.read("file")).data == b"text"
        assert (await client.get_sandbox(asked)).sandbox.state == pb.Sandbox.STATE_READY
        await bench.delete()
        with pytest.raises(RemoteError) as refused:
            await client.get_sandbox(asked)
        assert refused.value.reason == "SANDBOX_NOT_FOUND"


@pytest.mark.docker
async def test_orphans_are_removed_and_others_are_left_alone(docker_engine: Any, tmp_path: Path) -> None:
    async with sandbox_on(settings_for("docker", tmp_path / "another")) as other:
        mine = settings_for("docker", tmp_path / "mine")
        orphan, kept = new_id("sbx"), new_id("sbx")
        async with running(mine) as client:
            for sandbox_id in (orphan, kept):
                await client.create_sandbox(order(sandbox_id))
        (mine.data_dir / "sandbox.db").unlink()
        async with running(mine) as client:
            await client.create_sandbox(order(kept))
            there = {
                c.labels["lucid.sandbox"] for c in docker_engine.containers.list(filters={"label": "lucid.managed"})
            }
            assert there & {orphan, kept, other.sandbox_id} == {kept, other.sandbox_id}
            assert (await other.run("echo alive")).output == b"alive\n"
            await Bench(client, mine, kept).delete()
        names = [volume.name for volume in docker_engine.volumes.list()]
        assert not [name for name in names if orphan in name or kept in name]


async def test_a_deleted_sandbox_leaves_no_process_and_no_file(backend: str, tmp_path: Path) -> None:
    seconds = f"1000.{random.randrange(10**9):09d}"
    async with running(settings_for(backend, tmp_path)) as client:
        bench = Bench(client, settings_for(backend, tmp_path), new_id("sbx"))
        await bench.bring_up()
        lost = asyncio.create_task(bench.run(f"sleep {seconds} & touch up; exec setsid sleep {seconds}", "lost"))
        await bench.until("[ -f up ]")
        assert with_argument(seconds)
        await bench.delete()
        assert (await lost).reason == "REASON_SANDBOX_LOST"
    assert not with_argument(seconds)
    assert not with_argument(bench.sandbox_id)
    for folder in ("run", "helpers", "sandboxes"):
        assert not list((tmp_path / folder).glob("*"))


async def test_an_orphan_that_still_runs_is_ended(tmp_path: Path) -> None:
    """Its row is gone; under bubblewrap its processes are nobody's children."""
    settings, seconds = settings_for("bubblewrap", tmp_path / "mine"), f"1000.{random.randrange(10**9):09d}"
    async with sandbox_on(settings_for("bubblewrap", tmp_path / "another")) as other:
        helper = await other.helper()
        async with running(settings) as client:
            bench = Bench(client, settings, new_id("sbx"))
            await bench.bring_up()
            broken = asyncio.create_task(bench.run(f"touch up; sleep {seconds}"))
            await bench.until("[ -f up ]")
            broken.cancel()
        assert with_argument(seconds)
        (settings.data_dir / "sandbox.db").unlink()
        async with running(settings):
            assert not with_argument(seconds)
            assert not list((settings.data_dir / "sandboxes").iterdir())
        assert await other.helper() == helper


async def test_a_sandbox_that_is_deleted_while_it_is_made_is_not_left_behind(backend: str, tmp_path: Path) -> None:
    settings, sandbox_id = settings_for(backend, tmp_path), new_id("sbx")
    async with running(settings) as client:
        bench = Bench(client, settings, sandbox_id)
        for abandoned in (False, True):
            making = asyncio.create_task(bench.bring_up())
            while not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir()):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            if abandoned:
                making.cancel()
            await bench.delete()
            made = (await asyncio.gather(making, return_exceptions=True))[0]
            assert isinstance(made, RemoteError | asyncio.CancelledError)
            assert not with_argument(sandbox_id)
            for folder in ("run", "helpers", "sandboxes"):
                assert not list((tmp_path / folder).glob("*"))
    names = subprocess.run(["docker", "ps", "-aq", "--filter", f"name={sandbox_id}"], capture_output=True, check=False)  # noqa: ASYNC221
    assert not names.stdout


async def test_a_service_that_stops_does_not_call_a_running_command_lost(tmp_path: Path) -> None:
    settings = settings_for("bubblewrap", tmp_path)
    service = await build(settings, lambda target: pytest.fail(f"calls {target}"))
    sandbox_id = new_id("sbx")
    async with inproc(service, verifier=Verifier(SECRET, KEY)) as channel:
        bench = Bench(SandboxClient(channel, service_metadata(KEY, OWNER)), settings, sandbox_id)
        await bench.bring_up()
        broken = asyncio.create_task(bench.run("touch up; until [ -f go ]; do sleep 0.02; done; echo went on", "key"))
        await bench.until("[ -f up ]")
        await service.stop()
        with pytest.raises(RemoteError) as refused:
            await broken
        assert refused.value.reason == "UNAVAILABLE"
    async with running(settings) as client:
        bench = Bench(client, settings, sandbox_id)
        await bench.run("touch go")
        assert (await bench.run("", "key")).output == b"went on\n"
        await bench.delete()


@pytest.mark.docker
async def test_a_container_that_vanishes_loses_its_command_and_keeps_its_files(
    docker_engine: Any, tmp_path: Path
) -> None:
    async with sandbox_on(settings_for("docker", tmp_path)) as bench:
        lost = asyncio.create_task(bench.run("echo run >>runs; echo kept; sleep 1000", "lost"))
        await bench.until("[ -f runs ]")
        docker_engine.containers.get(f"lucid-sandbox-{bench.sandbox_id}").remove(force=True)
        ran = await lost
        assert (ran.reason, ran.output, ran.exit.head) == ("REASON_SANDBOX_LOST", b"kept\n", b"kept\n")
        assert (await bench.bring_up()).workspace_kept
        assert (await bench.read("runs")).data == b"run\n"


@pytest.mark.parametrize("backend", ["docker", "process"])
async def test_without_any_confinement_nothing_is_made(backend: str, tmp_path: Path) -> None:
    settings = settings_for(backend, tmp_path, docker_socket=str(tmp_path / "no.sock"))
    async with running(settings) as client:
        with pytest.raises(RemoteError) as refused:
            await client.create_sandbox(order(new_id("sbx")))
        assert (refused.value.code, refused.value.reason) == (Code.FAILED_PRECONDITION, "NO_CONFINEMENT")
        assert "build.sh" in refused.value.message
        assert "bubblewrap" in refused.value.message


async def test_automatic_choice_falls_back_to_bubblewrap(tmp_path: Path) -> None:
    async with sandbox_on(settings_for("auto", tmp_path, docker_socket=str(tmp_path / "no.sock"))) as bench:
        found = await bench.client.get_sandbox(pb.GetSandboxRequest(sandbox_id=bench.sandbox_id))
        assert found.sandbox.confinement == pb.Sandbox.CONFINEMENT_BUBBLEWRAP


async def test_unconfined_only_when_it_was_asked_for_in_so_many_words(tmp_path: Path) -> None:
    async with sandbox_on(settings_for("process", tmp_path, allow_unconfined=True)) as bench:
        found = await bench.client.get_sandbox(pb.GetSandboxRequest(sandbox_id=bench.sandbox_id))
        assert found.sandbox.confinement == pb.Sandbox.CONFINEMENT_PROCESS
        running_on = asyncio.create_task(bench.run("touch up; (setsid sleep 1234 &); sleep 1234", "c"))
        await bench.until("[ -f up ]")
        assert await bench.stop("c") >= 2
        assert (await running_on).reason == "REASON_STOPPED"
        assert (await bench.run("pgrep -f 'sleep 123[4]'")).output == b""


async def test_the_client_takes_a_broken_stream_up_where_it_was(tmp_path: Path) -> None:
    """A relay between client and server is cut in the middle of the output, again and again."""
    process = SandboxProcess("bubblewrap", tmp_path, tmp_path / "data", (SECRET, KEY))
    await process.start()
    async with process.client(OWNER) as direct:
        relay = CuttingRelay(process.socket, tmp_path / "relay.sock", cut_after=400_000)
        async with relay.listening(), open_channel(f"unix:{relay.path}") as channel:
            await Bench(direct, settings_for("bubblewrap", tmp_path), "sbx_0123456789").bring_up()
            client = SandboxClient(channel, service_metadata(KEY, OWNER))
            bench = Bench(client, settings_for("bubblewrap", tmp_path), "sbx_0123456789")
            ran = await bench.run("echo run >>runs; seq 1 250000")
            assert ran.output == b"".join(b"%d\n" % number for number in range(1, 250_001))
            assert relay.cuts >= 2
        await Bench(direct, settings_for("bubblewrap", tmp_path), "sbx_0123456789").delete()
    await process.end()


class CuttingRelay:
    """Copies bytes between two Unix sockets and cuts a connection after so many bytes of answers."""

    def __init__(self, target: Path, path: Path, cut_after: int) -> None:
        self.target, self.path, self.cut_after, self.cuts = target, path, cut_after, 0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_unix_server(self._serve, str(self.path))
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(str(self.target))
        up = asyncio.create_task(self._copy(reader, far_writer, None))
        await self._copy(far_reader, writer, self.cut_after)
        up.cancel()
        for end in (writer, far_writer):
            end.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := await reader.read(16384):
                passed += len(data)
                if limit is not None and passed > limit:
                    self.cuts += 1
                    return
                writer.write(data)
                await writer.drain()


async def test_a_transport_that_stays_away_is_told(tmp_path: Path) -> None:
    async with grpc.aio.insecure_channel(f"unix:{tmp_path / 'nobody'}") as channel:
        bench = Bench(SandboxClient(channel), settings_for("bubblewrap", tmp_path), "sbx_0123456789")
        with pytest.raises(RemoteError) as refused:
            await bench.run("true")
        assert refused.value.code is Code.UNAVAILABLE


async def test_a_service_that_looks_at_its_sandboxes_ends_when_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look ends by itself: what it is waited for at most is for a query under way."""
    monkeypatch.setattr("services.sandbox.server.LAST_LOOK_SECONDS", 3600.0)
    async with running(settings_for("bubblewrap", tmp_path)):
        pass
