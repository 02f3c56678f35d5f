"""From the wish for a sandbox to its first command's answer, on each way there is (P10).

A bare container is made and started by the engine's API, and entered by `docker exec`: what anybody would do.
"""

import asyncio
import time
from collections.abc import Awaitable
from tempfile import TemporaryDirectory
from typing import Any

import docker
import grpc
from lucid.sandbox.v1 import lifecycle_pb2 as lpb
from lucid.sandbox.v1 import sandbox_pb2 as pb
from lucid.sandbox.v1.pool_pb2 import GetPoolRequest, SetPoolRequest

from services.rpc.identity import service_metadata
from services.rpc.ids import new_id
from services.sandbox.backends.docker_shape import MAIN, DockerOptions, shape
from services.sandbox.client import SandboxClient
from services.sandbox.settings import Settings
from tests.benchmarks.ground import new_product
from tests.benchmarks.table import Row, from_samples
from tests.grounds.product import SECRETS

IMAGE = "lucid-sandbox:latest"
TIMES = 9
PREFIX = "lucid-bench-"
LIMITS = Settings("", "").limits


async def run() -> list[Row]:
    env = {"SANDBOX_BACKEND": "docker", "SANDBOX_POOL_SIZE": "0", "LUCID_SEED": "0"}
    async with new_product(False, **env) as product:
        await asyncio.to_thread(product.start)
        async with grpc.aio.insecure_channel(product.rpc["sandbox"]) as channel:
            return await _Ways(SandboxClient(channel, service_metadata(SECRETS["INTERNAL_API_KEY"], "bench"))).rows()


class _Ways:
    """All ways, in turns: other work on the machine falls on all of them."""

    def __init__(self, client: SandboxClient) -> None:
        self._client = client
        self._engine = docker.from_env()
        self._took: dict[str, list[float]] = {}

    async def rows(self) -> list[Row]:
        for _ in range(TIMES):
            await self._one("bare", self._bare())
            await self._kept()
            await self._warm()
            await asyncio.to_thread(self._starts)
        took, cold = self._took, self._took["cold"]
        against = "bare create, start, docker exec"
        return [
            from_samples("P10", "cold create → first command", cold, took["bare"], "ms", against, 1.3),
            from_samples("P10", "warm claim → first command", took["warm"], cold, "ms", "cold", 0.06),
            from_samples("P10", "paused → first command", took["paused"], cold, "ms", "cold", 0.1),
            from_samples("P10", "hibernated → first command", took["hibernated"], cold, "ms", "cold", 1.2),
            from_samples("P10", "files kept, container gone → first command", took["kept"], cold, "ms", "cold", 1.2),
            from_samples("P10", "hardening: create, start", took["hard"], took["plain"], "ms", "bare container", 1.1),
        ]

    async def _one(self, way: str, going: Awaitable[None]) -> None:
        began = time.perf_counter()
        await going
        self._took.setdefault(way, []).append((time.perf_counter() - began) * 1e3)

    async def _bare(self) -> None:
        container = await asyncio.to_thread(self._engine.containers.create, IMAGE, MAIN, network_mode="none")
        try:
            await asyncio.to_thread(container.start)
            process = await asyncio.create_subprocess_exec("docker", "exec", str(container.id), "true")
            assert await process.wait() == 0
        finally:
            asyncio.get_running_loop().run_in_executor(None, lambda: container.remove(force=True))

    async def _kept(self) -> None:
        """Cold; then asleep, first with its container and then without; and once more on the files that were kept."""
        sandbox = new_id("sbx")
        await self._one("cold", self._first_command(sandbox, warm=False))
        await self._client.pause_sandbox(lpb.PauseSandboxRequest(sandbox_id=sandbox))
        await self._one("paused", self._true(sandbox))
        await self._client.hibernate_sandbox(lpb.HibernateSandboxRequest(sandbox_id=sandbox))
        await self._one("hibernated", self._true(sandbox))
        await self._client.delete_sandbox(pb.DeleteSandboxRequest(sandbox_id=sandbox, keep_workspace=True))
        await self._one("kept", self._first_command(sandbox, warm=False))
        await self._client.delete_sandbox(pb.DeleteSandboxRequest(sandbox_id=sandbox))

    async def _warm(self) -> None:
        await self._client.set_pool(SetPoolRequest(size=1))
        while not (await self._client.get_pool(GetPoolRequest())).pool.ready:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        await self._client.set_pool(SetPoolRequest(size=0))  # no new one is made beside what is measured
        sandbox = new_id("sbx")
        await self._one("warm", self._first_command(sandbox, warm=True))
        await self._client.delete_sandbox(pb.DeleteSandboxRequest(sandbox_id=sandbox))

    async def _first_command(self, sandbox: str, warm: bool) -> None:
        order = pb.CreateSandboxRequest(sandbox_id=sandbox, owner_id="bench", session_id="ses_bench")
        made = await self._client.create_sandbox(order)
        assert made.warm == warm
        await self._true(sandbox)

    async def _true(self, sandbox: str) -> None:
        request = pb.RunCommandRequest(sandbox_id=sandbox, command_id=new_id("cmd"), command="true")
        answers = [answer async for answer in self._client.run_command(request)]
        assert answers[-1].exit.exit_code == 0
        assert answers[-1].exit.reason == pb.RunCommandResponse.Exit.REASON_EXITED

    def _starts(self) -> None:
        """A container as ours are, and one as it comes; each is made and started, and that is timed."""
        with TemporaryDirectory() as folder:
            name = PREFIX + new_id("box")
            options = DockerOptions("", IMAGE, LIMITS, "", PREFIX, "/workspace", "bench")
            volumes = [self._engine.volumes.create(f"{name}{end}") for end in ("", "-state")]
            ours = shape(options, name, (volumes[0].name, volumes[1].name), {}, folder)
            try:
                self._start("hard", **ours)
                self._start("plain", network_mode="none")
            finally:
                for volume in volumes:
                    volume.remove(force=True)

    def _start(self, kind: str, **made_of: Any) -> None:
        began = time.perf_counter()
        container = self._engine.containers.create(IMAGE, MAIN, **made_of)
        try:
            container.start()
            self._took.setdefault(kind, []).append((time.perf_counter() - began) * 1e3)
        finally:
            container.remove(force=True)
