"""Twenty containers at work, and a bomb in one of them: what the others notice.

The work is what an agent's commands are like: each container runs a short one, rests, runs the next. The nineteen
neighbours' p95 beside a bomb is compared with their p95 just before it, with all twenty at work.
"""

import asyncio
import time
from collections.abc import Sequence

import grpc
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.identity import service_metadata
from services.rpc.ids import new_id
from services.sandbox.client import SandboxClient
from tests.benchmarks.ground import new_product
from tests.benchmarks.table import Row, from_samples, quantile
from tests.grounds.product import SECRETS

CONTAINERS, REST = 20, 0.5
SECONDS, ROUNDS = 8.0, 2
WORK = "git --version >/dev/null; sort /etc/passwd | head -n 3; true"
BOMBS = {
    "fork": "b() { b | b & }; b; sleep 1000",
    "memory": "python3 -c 'import itertools\nkept = [bytearray(b\"x\" * 1000000) for _ in itertools.count()]'; "
    "while :; do python3 -c 'kept = []\nwhile True: kept.append(bytearray(b\"x\" * 1000000))'; done",
    "disk": "while :; do dd if=/dev/zero of=big bs=1M count=1000 2>/dev/null; rm -f big; done",
    "output": "yes 0123456789012345678901234567890123456789",
}
GOAL = 1.25


async def run() -> list[Row]:
    env = {"SANDBOX_BACKEND": "docker", "SANDBOX_POOL_SIZE": "0", "LUCID_SEED": "0", "SANDBOX_MEMORY_LIMIT": "512m"}
    async with new_product(False, **env) as product:
        await asyncio.to_thread(product.start)
        async with grpc.aio.insecure_channel(product.rpc["sandbox"]) as channel:
            client = SandboxClient(channel, service_metadata(SECRETS["INTERNAL_API_KEY"], "bench"))
            sandboxes = [new_id("sbx") for _ in range(CONTAINERS)]
            try:
                await asyncio.gather(*(_create(client, sandbox) for sandbox in sandboxes))
                return [await _row(client, sandboxes, name, bomb) for name, bomb in BOMBS.items()]
            finally:
                await asyncio.gather(*(_delete(client, sandbox) for sandbox in sandboxes))


async def _row(client: SandboxClient, sandboxes: Sequence[str], name: str, bomb: str) -> Row:
    calm, beside = [], []
    for _ in range(ROUNDS):
        calm.append(await _p95(client, sandboxes))
        key = new_id("cmd")
        burning = asyncio.create_task(_command(client, sandboxes[0], bomb, key))
        await asyncio.sleep(1.0)
        beside.append(await _p95(client, sandboxes[1:]))
        if burning.done():
            raise ValueError(f"the {name} bomb went out: {burning.result()}")
        await client.stop_command(pb.StopCommandRequest(sandbox_id=sandboxes[0], command_id=key))
        await burning
    return from_samples("P10", f"neighbours' command p95 beside a {name} bomb", beside, calm, "ms", "before it", GOAL)


async def _p95(client: SandboxClient, sandboxes: Sequence[str]) -> float:
    took: list[float] = []
    until = time.perf_counter() + SECONDS

    async def work(sandbox: str, number: int) -> None:
        await asyncio.sleep(REST * number / len(sandboxes))
        while time.perf_counter() < until:
            began = time.perf_counter()
            await _command(client, sandbox, WORK, new_id("cmd"))
            took.append((time.perf_counter() - began) * 1e3)
            await asyncio.sleep(REST)

    await asyncio.gather(*(work(sandbox, number) for number, sandbox in enumerate(sandboxes)))
    return quantile(took, 0.95)


async def _command(client: SandboxClient, sandbox: str, command: str, key: str) -> str:
    request = pb.RunCommandRequest(sandbox_id=sandbox, command_id=key, command=command, timeout_ms=120_000)
    reason = ""
    async for answer in client.run_command(request):
        if answer.HasField("exit"):
            reason = pb.RunCommandResponse.Exit.Reason.Name(answer.exit.reason)
    return reason


async def _create(client: SandboxClient, sandbox: str) -> None:
    await client.create_sandbox(pb.CreateSandboxRequest(sandbox_id=sandbox, owner_id="bench", session_id="ses_bench"))


async def _delete(client: SandboxClient, sandbox: str) -> None:
    await client.delete_sandbox(pb.DeleteSandboxRequest(sandbox_id=sandbox))
