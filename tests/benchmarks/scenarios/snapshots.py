"""A snapshot per step and a rewind beside `git status` in the same sandbox (P12): 2,600 files, 28 MB."""

import asyncio
import time

import grpc
from lucid.sandbox.v1 import sandbox_pb2 as pb
from lucid.sandbox.v1 import snapshots_pb2 as spb

from services.rpc.identity import service_metadata
from services.rpc.ids import new_id
from services.sandbox.client import SandboxClient
from tests.benchmarks.ground import new_product
from tests.benchmarks.table import Row, from_samples
from tests.grounds.product import SECRETS

ROUNDS, AGAIN = 12, 5
SNAPSHOT_GOAL, REWIND_GOAL = 2.5, 3.0
AGAINST = "git status"
# 52 folders of 50 files of some ten kilobytes, one commit.
LAY_OUT = """
git init -q repo && cd repo && python3 - <<'END'
import pathlib, random
random.seed(1)
words = [f"word{n}" for n in range(2000)]
for folder in range(52):
    place = pathlib.Path(f"src/part{folder}")
    place.mkdir(parents=True)
    for number in range(50):
        lines = [" ".join(random.choices(words, k=10)) for _ in range(160)]
        (place / f"file{number}.py").write_text("\\n".join(lines) + "\\n")
END
printf '*.log\\n' >.gitignore && git add -A && git -c user.name=b -c user.email=b commit -qm all && git gc -q
"""
# How long git itself takes, without the shell around it; the best of some is what it costs.
STATUS = """
import subprocess, time
took = []
for _ in range(%d):
    began = time.perf_counter()
    subprocess.run(["git", "status", "--porcelain"], stdout=subprocess.DEVNULL, check=True)
    took.append(time.perf_counter() - began)
print(sorted(took)[len(took) // 2])
"""


async def run() -> list[Row]:
    async with new_product(SANDBOX_BACKEND="bubblewrap", LUCID_SEED="0") as product:
        await asyncio.to_thread(product.start)
        async with grpc.aio.insecure_channel(product.rpc["sandbox"]) as channel:
            client = SandboxClient(channel, service_metadata(SECRETS["INTERNAL_API_KEY"], "bench"))
            sandbox = new_id("sbx")
            await client.create_sandbox(
                pb.CreateSandboxRequest(sandbox_id=sandbox, owner_id="bench", session_id=new_id("ses"))
            )
            try:
                return await _Bench(client, sandbox).rows()
            finally:
                await client.delete_sandbox(pb.DeleteSandboxRequest(sandbox_id=sandbox))


class _Bench:
    """One sandbox with the repository; times in milliseconds."""

    def __init__(self, client: SandboxClient, sandbox: str) -> None:
        self._client = client
        self._sandbox = sandbox
        self._tree = ""

    async def rows(self) -> list[Row]:
        """The sides take turns; the first snapshot, which copies what the repository has, is there once."""
        await self._command(LAY_OUT, "")
        status = [await self._status()]
        first = await self._timed(self._snapshot())
        base = self._tree
        steps, unchanged, back = [], [], []
        for number in range(ROUNDS):
            await self._command(f"for n in 1 2 3; do echo {number} >>src/part$n/file{number}.py; done", "repo")
            steps.append(await self._timed(self._snapshot()))
            unchanged.append(await self._timed(self._snapshot()))
            back.append(await self._timed(self._restore(base)))
            await self._snapshot()
            status.append(await self._status())
        return [
            from_samples("P12", "snapshot of a step, 3 files changed", steps, status, "ms", AGAINST, SNAPSHOT_GOAL),
            from_samples("P12", "snapshot, nothing changed", unchanged, status, "ms", AGAINST),
            from_samples("P12", "first snapshot", [first], status, "ms", AGAINST),
            from_samples("P12", "rewind, 3 files", back, status, "ms", AGAINST, REWIND_GOAL),
        ]

    async def _timed(self, work: object) -> float:
        began = time.perf_counter()
        await work  # type: ignore[misc]
        return (time.perf_counter() - began) * 1e3

    async def _status(self) -> float:
        return float(await self._command(f"python3 -c '{STATUS % AGAIN}'", "repo")) * 1e3

    async def _snapshot(self) -> None:
        request = pb.CreateSnapshotRequest(sandbox_id=self._sandbox, path="repo", since_tree=self._tree)
        self._tree = (await self._client.create_snapshot(request)).tree

    async def _restore(self, tree: str) -> None:
        request = spb.RestoreSnapshotRequest(sandbox_id=self._sandbox, restore_id=new_id("rst"), path="repo", tree=tree)
        done = await self._client.restore_snapshot(request)
        assert done.tree == tree
        assert done.totals.files == 3

    async def _command(self, command: str, cwd: str) -> bytes:
        request = pb.RunCommandRequest(
            sandbox_id=self._sandbox, command_id=new_id("cmd"), command=command, cwd=cwd or "/workspace"
        )
        answers = [answer async for answer in self._client.run_command(request)]
        assert answers[-1].exit.exit_code == 0, answers[-1].exit.head
        return answers[-1].exit.head
