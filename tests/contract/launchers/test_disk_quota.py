"""Containers on file systems of their own size: what fills one stops there, and nothing of it stays behind."""

import asyncio
import functools
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
from lucid.sandbox.v1 import lifecycle_pb2 as lpb
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.ids import new_id
from services.rpc.status import RemoteError
from services.sandbox.client import SandboxClient
from services.sandbox.settings import Settings
from tests.contract.launchers.conftest import KEY, OWNER, SECRET, Bench, order, running, settings_for
from tests.contract.launchers.test_pool import filled
from tests.grounds.sandbox_process import SandboxProcess

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]
MIB = 2**20
SIZE = 96 * MIB
FILL = "cat /dev/zero >full"
Test = Callable[..., Awaitable[None]]


def limited(data_dir: Path, **changes: Any) -> Settings:
    given = {"memory_limit": "256m", "pids_limit": 120, "disk_limit": "96m", "disk_quota": "loopback"}
    return settings_for("docker", data_dir, **{**given, **changes})


def run_program(*argv: str | Path) -> None:
    subprocess.run(argv, capture_output=True, check=True)


def cannot_mount(folder: Path) -> str:
    """Why this machine gives no file system in a file, found without the product; empty where it does."""
    image, place = folder / "image", folder / "place"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(8 * MIB)
    try:
        run_program("mkfs.ext4", "-q", image)
        run_program("mount", "-o", "loop", image, place)
        run_program("umount", place)
    except (OSError, subprocess.CalledProcessError) as error:
        return str(error)
    return ""


def on_images(test: Test) -> Test:
    """Where this machine has no loop devices, or is not ours to mount on, the service must say so instead."""

    @functools.wraps(test)
    async def run(docker_engine: docker.DockerClient, tmp_path: Path, **fixtures: Any) -> None:
        (tmp_path / "trial").mkdir()
        if os.geteuid() == 0 and not cannot_mount(tmp_path / "trial"):
            await test(docker_engine, tmp_path, **fixtures)
            return
        async with running(limited(tmp_path)) as client:
            with pytest.raises(RemoteError, match="SANDBOX_DISK_QUOTA is 'loopback', and"):
                await client.create_sandbox(order(new_id("sbx")))

    return run


@asynccontextmanager
async def sandbox(client: SandboxClient, settings: Settings) -> AsyncIterator[Bench]:
    bench = Bench(client, settings, new_id("sbx"))
    await bench.bring_up()
    try:
        yield bench
    finally:
        await bench.delete()


def mounts(data_dir: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(data_dir) in line]


def devices(data_dir: Path) -> list[str]:
    """Loop devices on files of it, deleted ones too."""
    found = [path.read_text().strip() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    return [backing for backing in found if backing.startswith(str(data_dir))]


def ended(engine: docker.DockerClient, bench: Bench) -> None:
    """Its container is dead, and nothing of it is mounted any more."""
    container = engine.containers.get(f"lucid-sandbox-{bench.sandbox_id}")
    container.kill()
    container.wait()


def volumes(engine: docker.DockerClient, sandbox_id: str) -> list[str]:
    return [volume.name for volume in engine.volumes.list(filters={"label": f"lucid.sandbox={sandbox_id}"})]


async def until_released(data_dir: Path) -> None:
    """A namespace that is just being made may hold a mount, and with it the device, a moment longer."""
    for _ in range(400):
        if not (mounts(data_dir) or devices(data_dir)):
            break
        await asyncio.sleep(0.05)
    assert (mounts(data_dir), devices(data_dir)) == ([], [])


async def until_nothing_is_left(engine: docker.DockerClient, data_dir: Path, sandbox_id: str) -> None:
    """Neither on the machine nor on the engine."""
    await until_released(data_dir)
    assert volumes(engine, sandbox_id) == []
    assert list((data_dir / "disks").iterdir()) == []


@on_images
async def test_who_fills_the_disk_stops_at_its_size(docker_engine: docker.DockerClient, tmp_path: Path) -> None:
    settings = limited(tmp_path)
    async with running(settings) as client, sandbox(client, settings) as bench, sandbox(client, settings) as other:
        status = await client.get_status(pb.GetStatusRequest())
        assert list(status.lacks) == []
        assert all(finding.holds for finding in status.findings)
        image = tmp_path / "disks" / bench.sandbox_id / "image"
        assert image.stat().st_blocks * 512 < 24 * MIB  # sparse
        ran = await bench.run(FILL)
        assert (ran.reason, ran.exit.exit_code) == ("REASON_DISK", 1)
        assert b"No space left on device" in ran.output
        with pytest.raises(RemoteError) as refused:
            await bench.create("more", "x" * 500_000)
        assert refused.value.reason == "DISK_FULL"
        assert int((await bench.run("stat -c %s full")).output) > SIZE // 2
        assert image.stat().st_blocks * 512 <= image.stat().st_size == SIZE
        assert (await other.run("head -c 20000000 /dev/zero >fits")).exit.exit_code == 0
        assert (await bench.run("rm full")).exit.exit_code == 0
        await bench.create("more", "x" * 500_000)
    assert docker_engine


@on_images
async def test_a_full_disk_takes_the_command_that_clears_it(docker_engine: docker.DockerClient, tmp_path: Path) -> None:
    """Also when the home folder, beside our own files, is what filled it, and after a start on a full one."""
    settings = limited(tmp_path)
    async with running(settings) as client, sandbox(client, settings) as bench:
        await bench.run("cat /dev/zero >~/full; cat /dev/zero >full; for n in 1 2 3 4 5 6; do echo $n >~/$n; done")
        for _ in range(4):
            assert (await bench.run("echo on")).output == b"on\n"
        assert (await bench.run("false")).reason == "REASON_EXITED"  # it failed for something else
        await bench.kill_helper()
        assert (await bench.run("rm ~/full full; echo rid")).output == b"rid\n"
        ran = await bench.run(FILL)
        assert ran.reason == "REASON_DISK"
    assert docker_engine


@on_images
async def test_a_disk_full_of_small_files_is_cleared_too(docker_engine: docker.DockerClient, tmp_path: Path) -> None:
    settings = limited(tmp_path, disk_limit="32m")
    async with running(settings) as client, sandbox(client, settings) as bench:
        ran = await bench.run("mkdir many; cd many; seq 12000 | xargs touch")
        assert (ran.reason, ran.exit.exit_code) == ("REASON_DISK", 123)
        assert (await bench.run("cd /workspace; rm -r many; echo rid")).output == b"rid\n"
    assert docker_engine


@on_images
async def test_nothing_is_left_of_a_deleted_one(docker_engine: docker.DockerClient, tmp_path: Path) -> None:
    settings = limited(tmp_path)
    async with running(settings) as client:
        async with sandbox(client, settings) as bench:
            await bench.create("a", "b")
            assert len(mounts(tmp_path)) == len(devices(tmp_path)) == 1
            assert len(volumes(docker_engine, bench.sandbox_id)) == 2
        await until_nothing_is_left(docker_engine, tmp_path, bench.sandbox_id)


@on_images
async def test_what_sleeps_holds_no_device_and_wakes_with_its_files(
    docker_engine: docker.DockerClient, tmp_path: Path
) -> None:
    settings = limited(tmp_path)
    async with running(settings) as client, sandbox(client, settings) as bench:
        await bench.create("kept", "as it was\n")
        await bench.run("head -c 50000000 /dev/urandom >large; sync; rm large; sync")
        image = tmp_path / "disks" / bench.sandbox_id / "image"
        assert image.stat().st_blocks * 512 > 50_000_000
        await client.hibernate_sandbox(lpb.HibernateSandboxRequest(sandbox_id=bench.sandbox_id))
        await until_released(tmp_path)
        assert image.stat().st_blocks * 512 < 40_000_000  # what was deleted inside is the machine's again
        for name in volumes(docker_engine, bench.sandbox_id):  # as `docker volume prune` would
            docker_engine.volumes.get(name).remove()
        assert (await bench.read("kept")).data == b"as it was\n"
        assert (await bench.run(FILL)).reason == "REASON_DISK"


@on_images
async def test_a_file_system_that_was_closed_is_mended(docker_engine: docker.DockerClient, tmp_path: Path) -> None:
    """As the kernel does where the machine itself is full and cannot write out what was written inside."""
    settings = limited(tmp_path)
    async with running(settings) as client, sandbox(client, settings) as bench:
        await bench.create("kept", "as it was\n")
        ended(docker_engine, bench)
        run_program("mount", "-o", "remount,ro", tmp_path / "disks" / bench.sandbox_id / "mount")
        await bench.create("new", "x")
        assert (await bench.read("kept")).data == b"as it was\n"


@on_images
async def test_the_next_service_finds_it(docker_engine: docker.DockerClient, tmp_path: Path) -> None:
    """Also after a restart of the machine, when nothing is mounted and no container runs."""
    env = {"SANDBOX_DISK_QUOTA": "loopback", "SANDBOX_DISK_LIMIT": "96m"}
    process = SandboxProcess("docker", tmp_path / "first", tmp_path / "data", (SECRET, KEY), **env)
    await process.start()
    try:
        async with process.client(OWNER) as client:
            bench = Bench(client, limited(tmp_path / "data"), new_id("sbx"))
            await bench.bring_up()
            await bench.create("kept", "as it was\n")
        await process.end(signal.SIGKILL)
        await process.start()
        async with process.client(OWNER) as client:
            bench = Bench(client, bench.settings, bench.sandbox_id)
            assert (await bench.run("cat kept")).output == b"as it was\n"
        await process.end(signal.SIGKILL)
        ended(docker_engine, bench)
        run_program("umount", tmp_path / "data" / "disks" / bench.sandbox_id / "mount")
        await process.start()
        async with process.client(OWNER) as client:
            bench = Bench(client, bench.settings, bench.sandbox_id)
            assert (await bench.read("kept")).data == b"as it was\n"
            assert (await bench.run(FILL)).reason == "REASON_DISK"
            await bench.delete()
        await until_nothing_is_left(docker_engine, tmp_path / "data", bench.sandbox_id)
    finally:
        await process.end()


@on_images
async def test_one_made_beforehand_has_its_limit(docker_engine: docker.DockerClient, tmp_path: Path) -> None:
    settings = limited(tmp_path, pool_size=1)
    async with running(settings) as client:
        await filled(client)
        async with sandbox(client, settings) as bench:
            assert (await bench.run(FILL)).reason == "REASON_DISK"
        warm_id = (await filled(client)).ready
    assert warm_id
    await until_nothing_is_left(docker_engine, tmp_path, bench.sandbox_id)


@on_images
async def test_what_was_made_otherwise_goes_on_so(docker_engine: docker.DockerClient, tmp_path: Path) -> None:
    """Its limit is measured as before; a new one beside it has a disk of its own, and keeps it in turn."""
    old, new = new_id("sbx"), new_id("sbx")
    for quota, mine in (("none", old), ("loopback", new), ("none", "")):
        settings = limited(tmp_path, disk_quota=quota)
        async with running(settings) as client:
            for sandbox_id in filter(None, (mine, old, new if quota == "none" and not mine else "")):
                bench = Bench(client, settings, sandbox_id)
                await bench.bring_up()
                await bench.create("kept", quota)
                await client.hibernate_sandbox(lpb.HibernateSandboxRequest(sandbox_id=sandbox_id))
                assert (await bench.read("kept")).data == quota.encode()
                assert len(devices(tmp_path)) == (sandbox_id == new)
                await client.hibernate_sandbox(lpb.HibernateSandboxRequest(sandbox_id=sandbox_id))
                await until_released(tmp_path)
            if not mine:
                for sandbox_id in (old, new):
                    await Bench(client, settings, sandbox_id).delete()
    await until_nothing_is_left(docker_engine, tmp_path, new)


@contextmanager
def no_project_quotas(engine: docker.DockerClient) -> Iterator[bool]:
    """Whether this engine has none, found without the product."""
    try:
        engine.volumes.create("lucid-test-sized", driver_opts={"size": "1g"}).remove()
    except docker.errors.APIError:
        yield True
    else:
        yield False


async def test_project_quotas_are_promised_where_the_engine_has_them(
    docker_engine: docker.DockerClient, tmp_path: Path
) -> None:
    """Asked for by name they are refused elsewhere, in words; "auto" goes on and says that it measures."""
    with no_project_quotas(docker_engine) as refused:
        asked = limited(tmp_path / "asked", disk_quota="xfs")
        async with running(asked) as client:
            bench = Bench(client, asked, new_id("sbx"))
            if refused:
                with pytest.raises(RemoteError, match="SANDBOX_DISK_QUOTA is 'xfs', and the engine's volumes do not"):
                    await bench.bring_up()
            else:
                await bench.bring_up()
                await bench.delete()
        settings = limited(tmp_path / "auto", disk_quota="auto")
        async with running(settings) as client, sandbox(client, settings) as bench:
            lacks = list((await client.get_status(pb.GetStatusRequest())).lacks)
            assert lacks == (["enforced limit of disk (it is measured)"] if refused else [])
