"""A command's round trip: `true` by RunCommand over gRPC beside `docker exec` in the same container (P10)."""

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable

import grpc
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.identity import service_metadata
from services.rpc.ids import new_id
from services.sandbox.client import SandboxClient
from tests.benchmarks.ground import new_product
from tests.benchmarks.table import Row, from_samples, median
from tests.grounds.product import SECRETS, Product

ROUNDS, COMMANDS = 3, 15
IMAGE = "lucid-sandbox:latest"
GOAL = 0.08
_INSPECT = ("docker", "image", "inspect", IMAGE)


async def run() -> list[Row]:
    docker = await asyncio.to_thread(_engine_has_image)
    async with new_product(SANDBOX_BACKEND="docker" if docker else "bubblewrap", LUCID_SEED="0") as product:
        await asyncio.to_thread(product.start)
        async with grpc.aio.insecure_channel(product.rpc["sandbox"]) as channel:
            client = SandboxClient(channel, service_metadata(SECRETS["INTERNAL_API_KEY"], "bench"))
            return [await _in_a_sandbox(client, product, docker)]


async def _in_a_sandbox(client: SandboxClient, product: Product, docker: bool) -> Row:
    sandbox = new_id("sbx")
    await client.create_sandbox(pb.CreateSandboxRequest(sandbox_id=sandbox, owner_id="bench", session_id=new_id("ses")))
    try:
        other = ("docker", "exec", f"lucid-sandbox-{sandbox}", "true") if docker else ("true",)
        ours, theirs = await _in_turns(lambda: _ours(client, sandbox), lambda: _program(other))
    finally:
        await client.delete_sandbox(pb.DeleteSandboxRequest(sandbox_id=sandbox))
    if docker:
        return from_samples("P10", "command `true`, over gRPC", ours, theirs, "ms", "docker exec", GOAL)
    note = "no Docker engine with the image answers: bubblewrap beside fork and exec, for which there is no goal"
    return from_samples("P10", "command `true`, over gRPC", ours, theirs, "ms", "fork and exec", None, note)


async def _in_turns(*sides: Callable[[], Awaitable[float]]) -> list[list[float]]:
    """Milliseconds; the median of each round of each side."""
    medians: list[list[float]] = [[] for _ in sides]
    for _ in range(ROUNDS):
        for side, results in zip(sides, medians, strict=True):
            await side()
            results.append(median([await side() for _ in range(COMMANDS)]))
    return medians


async def _ours(client: SandboxClient, sandbox: str) -> float:
    request = pb.RunCommandRequest(sandbox_id=sandbox, command_id=new_id("cmd"), command="true", timeout_ms=10_000)
    began = time.perf_counter()
    answers = [answer async for answer in client.run_command(request)]
    took = time.perf_counter() - began
    assert answers[-1].exit.exit_code == 0
    assert answers[-1].exit.reason == pb.RunCommandResponse.Exit.REASON_EXITED
    return took * 1e3


async def _program(argv: tuple[str, ...]) -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*argv)
    code = await process.wait()
    took = time.perf_counter() - began
    assert code == 0
    return took * 1e3


def _engine_has_image() -> bool:
    try:
        return subprocess.run(_INSPECT, capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
