"""The helper outlives the service: a command goes on while services are killed, stopped, started, and doubled."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from services.rpc.errors import LucidError
from services.rpc.ids import new_id
from services.sandbox.client import SandboxClient
from tests.contract.launchers.conftest import KEY, OWNER, SECRET, Bench, Ran, settings_for
from tests.grounds.length import rounds
from tests.grounds.sandbox_process import SandboxProcess

pytestmark = pytest.mark.timeout(180)
NUMBERED = (
    "echo run >>runs; n=0; until [ -f enough ]; do n=$((n+1)); echo line $n; sleep 0.005; done; echo end $n; exit 7"
)


@pytest.fixture
async def process(backend: str, tmp_path: Path) -> AsyncIterator[SandboxProcess]:
    made = SandboxProcess(backend, tmp_path / "first", tmp_path / "data", (SECRET, KEY))
    await made.start()
    yield made
    await made.end()


@pytest.fixture
async def bench(backend: str, tmp_path: Path, process: SandboxProcess) -> AsyncIterator[Bench]:
    async with process.client(OWNER) as client:
        made = Bench(client, settings_for(backend, tmp_path / "data"), new_id("sbx"))
        await made.bring_up()
        yield made
        await made.delete()


async def follow(
    client: SandboxClient,
    bench: Bench,
    command: str,
    ran: Ran,
    size: float = float("inf"),
    then: Callable[[], Awaitable[None]] | None = None,
) -> bool:
    """Follows the key "long" from what `ran` has; whether it has ended. At `size` bytes it does what is `then`."""
    request = bench.request(command, "long", from_offset=len(ran.output))
    with contextlib.suppress(LucidError):  # the service was killed: the next one is asked
        async with contextlib.aclosing(client.run_command(request)) as frames:
            async for frame in frames:
                if frame.HasField("output"):
                    assert frame.output.offset == len(ran.output)
                ran.take(frame)
                if frame.HasField("exit"):
                    return True
                if then is not None and len(ran.output) >= size:
                    await then()
                    then = None
    return False


def numbered(ran: Ran) -> bytes:
    """What one uninterrupted run gives that got so far."""
    last = int(ran.output.split()[-1])
    return b"".join(b"line %d\n" % number for number in range(1, last + 1)) + b"end %d\n" % last


@pytest.mark.parametrize(("how", "times"), [(signal.SIGKILL, rounds(4, 10)), (signal.SIGTERM, rounds(2, 3))])
async def test_a_command_goes_on_while_services_come_and_go(
    process: SandboxProcess, bench: Bench, how: signal.Signals, times: int
) -> None:
    points, ran = random.Random(how), Ran()
    for _ in range(times):
        size = len(ran.output) + points.randrange(1, 3000)
        assert not await follow(bench.client, bench, NUMBERED, ran, size, lambda: process.end(how))
        await process.start()
    await bench.run("touch enough")
    assert await follow(bench.client, bench, NUMBERED, ran)
    assert ran.output == numbered(ran)
    assert (ran.reason, ran.exit.exit_code, ran.exit.total_bytes) == ("REASON_EXITED", 7, len(ran.output))
    assert (await bench.read("runs")).data == b"run\n"
    assert (await bench.run(NUMBERED, "long")).output == ran.output


async def test_a_flood_waits_for_the_next_service(process: SandboxProcess, bench: Bench) -> None:
    whole = b"".join(b"%d\n" % number for number in range(1, 2_000_001))
    ran = Ran()
    for size in (3_000_000, 9_000_000):
        assert not await follow(bench.client, bench, "seq 1 2000000", ran, size, lambda: process.end(signal.SIGKILL))
        await process.start()
    assert await follow(bench.client, bench, "seq 1 2000000", ran)
    assert ran.output == whole


async def test_what_ends_while_no_service_is_there_is_told_by_the_next(process: SandboxProcess, bench: Bench) -> None:
    ran = Ran()
    command = "echo before; until [ -f go ]; do sleep 0.02; done; touch gone; exit 3"

    async def end() -> None:
        await bench.run("(sleep 0.5; touch go) &")
        await process.end(signal.SIGKILL)

    assert not await follow(bench.client, bench, command, ran, 1, end)
    await asyncio.sleep(1.5)
    await process.start()
    assert await follow(bench.client, bench, "", ran)
    assert (ran.output, ran.reason, ran.exit.exit_code) == (b"before\n", "REASON_EXITED", 3)


async def test_a_helper_that_dies_while_no_service_is_there_is_a_lost_sandbox_once(
    process: SandboxProcess, bench: Bench
) -> None:
    ran = Ran()
    command = "echo run >>runs; echo kept; sleep 1000"
    assert not await follow(bench.client, bench, command, ran, 1, lambda: process.end(signal.SIGKILL))
    await bench.kill_helper()
    await process.start()
    assert await follow(bench.client, bench, command, ran)
    assert (ran.reason, ran.output, ran.exit.WhichOneof("end")) == ("REASON_SANDBOX_LOST", b"kept\n", None)
    assert (await bench.run(command, "long")).exit == ran.exit
    assert not (await bench.bring_up()).created
    assert (await bench.read("runs")).data == b"run\n"
    assert (await bench.run("pgrep -x sleep -a | grep 1000; echo usable")).output == b"usable\n"
