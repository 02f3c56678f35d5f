"""What the egress proxy costs: 50 MB, and the time until TLS is agreed on, from a sandbox and without one (N1)."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import grpc
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.identity import service_metadata
from services.rpc.ids import new_id
from services.sandbox.client import SandboxClient
from tests.benchmarks.ground import new_product
from tests.benchmarks.role import ROOT
from tests.benchmarks.table import Row, from_samples, median
from tests.grounds.product import SECRETS

ROUNDS, LARGE_CALLS, SHORT_CALLS = 3, 5, 15
GOAL_LARGE, GOAL_SHORT = 3.0, 1.5
WRITE = "%{time_total} %{time_appconnect}\\n"


async def run() -> list[Row]:
    """Under bubblewrap: the launcher makes no difference to the way out."""
    async with _host() as port:
        host = f"localhost:{port}"
        allowed = {"EGRESS": "list", "EGRESS_HOSTS": host, "EGRESS_PRIVATE_HOSTS": host}
        async with new_product(apart=False, **allowed, SANDBOX_BACKEND="bubblewrap", LUCID_SEED="0") as product:
            await asyncio.to_thread(product.start)
            async with grpc.aio.insecure_channel(product.rpc["sandbox"]) as channel:
                client = SandboxClient(channel, service_metadata(SECRETS["INTERNAL_API_KEY"], "bench"))
                return await _from_a_sandbox(client, port)


async def _from_a_sandbox(client: SandboxClient, port: int) -> list[Row]:
    sandbox = new_id("sbx")
    await client.create_sandbox(pb.CreateSandboxRequest(sandbox_id=sandbox, owner_id="bench", session_id=new_id("ses")))
    large: tuple[list[float], list[float]] = ([], [])
    short: tuple[list[float], list[float]] = ([], [])
    try:
        for _ in range(ROUNDS):
            for side, calls in enumerate((lambda *what: _inside(client, sandbox, *what), _direct)):
                large[side].append(median([total for total, _ in await calls(_curl(port, "large", LARGE_CALLS, side))]))
                short[side].append(median([shook for _, shook in await calls(_curl(port, "short", SHORT_CALLS, side))]))
    finally:
        await client.delete_sandbox(pb.DeleteSandboxRequest(sandbox_id=sandbox))
    return [
        from_samples("N1", "50 MB through the egress proxy", large[0], large[1], "ms", "direct", GOAL_LARGE),
        from_samples("N1", "TLS handshake through the egress proxy", short[0], short[1], "ms", "direct", GOAL_SHORT),
    ]


def _curl(port: int, path: str, times: int, direct: int) -> str:
    way = "--noproxy '*'" if direct else "--noproxy '' -x http://127.0.0.1:3128"
    once = f"curl -sk {way} -o /dev/null -w '{WRITE}' https://localhost:{port}/{path}"
    return f"for i in $(seq {times}); do {once} || exit 1; done"


async def _inside(client: SandboxClient, sandbox: str, command: str) -> list[tuple[float, float]]:
    request = pb.RunCommandRequest(sandbox_id=sandbox, command_id=new_id("cmd"), command=command, timeout_ms=60_000)
    answers = [answer async for answer in client.run_command(request)]
    assert answers[-1].exit.exit_code == 0, answers[-1].exit.head
    return _times(answers[-1].exit.head)


async def _direct(command: str) -> list[tuple[float, float]]:
    process = await asyncio.create_subprocess_exec("bash", "-c", command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return _times(output)


def _times(output: bytes) -> list[tuple[float, float]]:
    """Milliseconds: all of a call, and until TLS was agreed on."""
    lines = [line.split() for line in output.decode().splitlines()]
    return [(float(total) * 1e3, float(shook) * 1e3) for total, shook in lines]


@contextlib.asynccontextmanager
async def _host() -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.roles.https_host"),
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()
