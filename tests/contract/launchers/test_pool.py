"""Sandboxes that are made beforehand: what a claim gives, what it must not give, what becomes of those left over."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import NotFound
from lucid.sandbox.v1 import sandbox_pb2 as pb
from lucid.sandbox.v1.pool_pb2 import GetPoolRequest, Pool, SetPoolRequest
from sqlalchemy import select

from services.rpc.ids import new_id
from services.rpc.status import RemoteError
from services.sandbox.client import SandboxClient
from services.sandbox.settings import Settings
from services.sandbox.store.database import open_database
from services.sandbox.store.tables import warm_sandboxes
from tests.contract.launchers.conftest import KEY, OWNER, SECRET, Bench, order, running, settings_for
from tests.grounds.canary import with_argument
from tests.grounds.sandbox_process import SandboxProcess


async def pool(client: SandboxClient) -> Pool:
    return (await client.get_pool(GetPoolRequest())).pool


async def filled(client: SandboxClient, size: int = 1) -> Pool:
    """Once so many are ready."""
    for _ in range(2000):  # while the machine is busy none is made
        if (found := await pool(client)).ready == size and not found.making:
            return found
        await asyncio.sleep(0.05)
    pytest.fail(f"the pool is not filled: {found}")


async def warm_ids(settings: Settings) -> list[str]:
    database = open_database(settings.database)
    async with database.connect() as connection:
        found = list((await connection.execute(select(warm_sandboxes.c.warm_id))).scalars())
    await database.dispose()
    return found


@contextlib.asynccontextmanager
async def claimed(settings: Settings, **fields: Any) -> AsyncIterator[tuple[Bench, pb.CreateSandboxResponse]]:
    async with running(settings) as client:
        await filled(client, settings.pool_size)
        bench = Bench(client, settings, new_id("sbx"))
        request = order(bench.sandbox_id)
        request.MergeFrom(pb.CreateSandboxRequest(**fields))
        answer = await client.create_sandbox(request)
        try:
            yield bench, answer
        finally:
            await bench.delete()


async def test_a_claimed_one_is_like_one_that_was_made_for_its_owner(backend: str, tmp_path: Path) -> None:
    async with claimed(settings_for(backend, tmp_path, pool_size=1), epoch=3) as (bench, answer):
        assert (answer.warm, answer.created, answer.workspace_kept) == (True, True, False)
        assert answer.sandbox.state == pb.Sandbox.STATE_READY
        assert answer.sandbox.sandbox_id == bench.sandbox_id
        seen = "echo $LUCID_TEST $LUCID_COMMAND; git config user.name; ls -A; ls ~"
        said = await bench.run(f"{seen}; [ -S /run/lucid/git.sock ] && echo gate", "k", epoch=3)
        lines = said.output.decode().split("\n")
        assert lines[:2] == [f"1 {bench.sandbox_id}/k", 'A "quoted" name']
        assert lines[2:] == ["gate", ""]
        seen = await bench.run("env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; ls -AR ~ /workspace", epoch=3)
        assert b"wrm_" not in seen.output
        with pytest.raises(RemoteError) as refused:
            await bench.run("true", epoch=2)
        assert refused.value.reason == "FENCED"
        again = await bench.client.create_sandbox(_with_epoch(order(bench.sandbox_id), 3))
        assert (again.created, again.warm) == (False, False)
        await filled(bench.client)


def _with_epoch(request: pb.CreateSandboxRequest, epoch: int) -> pb.CreateSandboxRequest:
    request.epoch = epoch
    return request


async def test_before_the_claim_it_has_no_way_out(backend: str, tmp_path: Path) -> None:
    settings = settings_for(backend, tmp_path, pool_size=1)
    async with running(settings) as client:
        await filled(client)
        assert list((tmp_path / "run").glob("*/gitconfig"))
        assert not list((tmp_path / "run").glob("*/git.sock"))
        assert not (await client.get_status(pb.GetStatusRequest())).ready_sandboxes


async def test_a_stopped_service_leaves_none_and_a_killed_one_leaves_it_to_the_next(
    backend: str, tmp_path: Path
) -> None:
    settings = settings_for(backend, tmp_path / "data", pool_size=1)
    process = SandboxProcess(backend, tmp_path, settings.data_dir, (SECRET, KEY), SANDBOX_POOL_SIZE="1")
    await process.start()
    async with process.client(OWNER) as client:
        await filled(client)
        made = await warm_ids(settings)
        await process.kill()
        await process.start()
        await filled(client)
        assert await warm_ids(settings) == made
        bench = Bench(client, settings, new_id("sbx"))
        assert (await bench.bring_up()).warm
        await process.kill()  # its container has a name and a row, but no service
        await process.start()
        assert (await bench.run("echo $LUCID_COMMAND", "k")).output == f"{bench.sandbox_id}/k\n".encode()
        await bench.delete()
        await filled(client)
        left = await warm_ids(settings)
        await process.end()
    assert await warm_ids(settings) == []
    assert not any(map(with_argument, [*made, *left, bench.sandbox_id]))
    for folder in ("run", "helpers", "sandboxes"):
        assert not list((settings.data_dir / folder).glob("*"))


async def test_one_that_is_made_of_something_else_is_replaced(backend: str, tmp_path: Path) -> None:
    """A build of the helper, an image and every limit are parts of the same recipe."""
    settings = settings_for(backend, tmp_path, pool_size=1)
    async with running(settings) as client:
        await filled(client)
        (old,) = await warm_ids(settings)
        await _made_of_something_else(settings)
        await client.set_pool(SetPoolRequest(size=1))
        while await warm_ids(settings) in ([], [old]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await filled(client)
        assert not with_argument(old)


async def _made_of_something_else(settings: Settings) -> None:
    database = open_database(settings.database)
    async with database.begin() as connection:
        await connection.execute(warm_sandboxes.update().values(recipe="of an older build"))
    await database.dispose()


async def test_two_services_never_claim_the_same_one(tmp_path: Path) -> None:
    settings = settings_for("bubblewrap", tmp_path, pool_size=3)
    async with running(settings) as one, running(settings) as two:
        await filled(one, 3)
        await filled(two, 3)
        await two.set_pool(SetPoolRequest(size=0))  # neither makes new ones meanwhile
        await one.set_pool(SetPoolRequest(size=3))
        benches = [Bench(client, settings, new_id("sbx")) for client in (one, two) * 3]
        answers = await asyncio.gather(*(bench.bring_up() for bench in benches))
        assert all(answer.created for answer in answers)
        await asyncio.gather(*(bench.create("mine", bench.sandbox_id) for bench in benches))
        for bench in benches:
            assert (await bench.read("mine")).data == bench.sandbox_id.encode()
        await asyncio.gather(*(bench.delete() for bench in benches))


async def test_asking_for_the_same_one_at_once_takes_one_warm_one(tmp_path: Path) -> None:
    settings = settings_for("bubblewrap", tmp_path, pool_size=2)
    async with running(settings) as client:
        await filled(client, 2)
        bench = Bench(client, settings, new_id("sbx"))
        answers = await asyncio.gather(*(bench.bring_up() for _ in range(4)))
        assert sorted(answer.created for answer in answers) == [False, False, False, True]
        assert (await bench.run("echo $LUCID_COMMAND", "k")).output == f"{bench.sandbox_id}/k\n".encode()
        await bench.delete()


@pytest.mark.docker
async def test_a_container_is_named_after_whom_it_belongs_to(docker_engine: Any, tmp_path: Path) -> None:
    async with claimed(settings_for("docker", tmp_path, pool_size=1)) as (bench, answer):
        assert answer.warm
        container = await _named(docker_engine, f"lucid-sandbox-{bench.sandbox_id}")
        await bench.create("file", "text")
        container.remove(force=True)
        assert not (again := await bench.bring_up()).warm
        assert again.workspace_kept
        assert (await bench.read("file")).data == b"text"
        mounted = [mount.get("Name", "") for mount in container.attrs["Mounts"]]
        volumes = [name for name in mounted if name.startswith("lucid-sandbox-wrm_")]
        assert len(volumes) == 2
    assert not {volume.name for volume in docker_engine.volumes.list()} & {*volumes}


async def _named(engine: Any, name: str) -> Any:
    """Once it has this name: its owner need not wait for that."""
    for _ in range(200):
        with contextlib.suppress(NotFound):
            return engine.containers.get(name)
        await asyncio.sleep(0.02)
    pytest.fail(f"no container is ever named {name}")


@pytest.mark.docker
async def test_another_image_is_no_matter_of_the_pool(docker_engine: Any, tmp_path: Path) -> None:
    docker_engine.images.get("lucid-sandbox:latest").tag("lucid-sandbox-test", "another")
    try:
        async with claimed(
            settings_for("docker", tmp_path, pool_size=1, images=("lucid-sandbox-test:*",)),
            image="lucid-sandbox-test:another",
        ) as (
            bench,
            answer,
        ):
            # The same content under another name would do; a container's image is that of its name all the same.
            assert answer.sandbox.image == "lucid-sandbox-test:another"
            assert (await pool(bench.client)).claimed == int(answer.warm)
    finally:
        docker_engine.images.remove("lucid-sandbox-test:another")
