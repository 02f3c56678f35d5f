"""Work in a container by the product, beside what anybody would use: `docker exec` and the engine's API (P10)."""

import asyncio
import contextlib
import io
import tarfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import docker
import grpc
from lucid.sandbox.v1 import files_pb2 as fpb
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.identity import service_metadata
from services.rpc.ids import new_id
from services.sandbox.client import SandboxClient
from tests.benchmarks.ground import new_product
from tests.benchmarks.scenarios import swerex
from tests.benchmarks.table import Row, from_samples, median, quantile
from tests.grounds.product import SECRETS

TIMES, PARALLEL, MANY, CALLS = 9, 8, 96, 200
MEGABYTE = 1_000_000
FLOOD = "yes 0123456789012345678901234567890123456789"
TEN_MEGABYTES = f"yes 0123456789 | head -c {10 * MEGABYTE}"
PREPARE = (
    "seq -f 'line %g' 2000 >lines; head -c 1000000 /dev/urandom >megabyte; mkdir tree; cd tree; "
    "for n in $(seq 20); do mkdir $n; (cd $n; touch $(seq 49)); done"
)
Way = Callable[[], Awaitable[object]]


async def run() -> list[Row]:
    env = {"SANDBOX_BACKEND": "docker", "SANDBOX_POOL_SIZE": "0", "LUCID_SEED": "0", "SANDBOX_OUTPUT_LIMIT": "3g"}
    async with new_product(False, **env) as product:
        await asyncio.to_thread(product.start)
        async with grpc.aio.insecure_channel(product.rpc["sandbox"]) as channel:
            client, sandbox = (
                SandboxClient(channel, service_metadata(SECRETS["INTERNAL_API_KEY"], "bench")),
                new_id("sbx"),
            )
            order = pb.CreateSandboxRequest(sandbox_id=sandbox, owner_id="bench", session_id="ses_bench")
            await client.create_sandbox(order)
            try:
                return await _Inside(client, sandbox).rows()
            finally:
                await client.delete_sandbox(pb.DeleteSandboxRequest(sandbox_id=sandbox))


class _Inside:
    """One sandbox, and the engine's own ways into its container."""

    def __init__(self, client: SandboxClient, sandbox: str) -> None:
        self._client, self._sandbox = client, sandbox
        self._name = f"lucid-sandbox-{sandbox}"
        self._container = docker.from_env().containers.get(self._name)
        self._edits = 0

    async def rows(self) -> list[Row]:
        await self._command(PREPARE)
        exec_true = [await _took(self._exec("true")) for _ in range(TIMES)]
        return [
            await self._files(),
            await self._against("tree of 1,000 files", self._tree, self._exec("find", "/workspace/tree"), 0.2),
            await self._against("read 1 MB", self._read, self._exec("cat", "/workspace/megabyte"), 0.15),
            await self._against("write 1 MB", self._write, self._put_archive, 0.2, "put_archive"),
            await self._against("edit with diff, 2,000 lines", self._edit, self._exec("true"), 0.06),
            await self._parallel(),
            await self._against("10 MB of output, streamed", self._ten, self._exec("bash", "-c", TEN_MEGABYTES), 0.7),
            *await self._flood(exec_true),
            *await swerex.rows(lambda: self._command("true"), lambda: self._command(TEN_MEGABYTES)),
        ]

    async def _against(self, name: str, ours: Way, theirs: Way, goal: float, against: str = "docker exec") -> Row:
        """In turns, after one of each that does not count."""
        await ours()
        await theirs()
        took = [(await _took(ours), await _took(theirs)) for _ in range(TIMES)]
        mine, other = zip(*took, strict=True)
        return from_samples("P10", name, mine, other, "ms", against, goal)

    async def _files(self) -> Row:
        """A stat, beside one byte through the engine's stream and back."""
        ours, theirs = [], []
        for _ in range(TIMES):
            began = time.perf_counter()
            for _ in range(CALLS):
                await self._stat()
            ours.append((time.perf_counter() - began) / CALLS * 1e3)
            theirs.append(await asyncio.to_thread(self._echoes))
        return from_samples("P10", "stat over gRPC", ours, theirs, "ms", "the engine's stream", 8.0)

    def _echoes(self) -> float:
        """Milliseconds for one byte to `cat` in the container and back."""
        api = docker.from_env().api
        made = api.exec_create(self._container.id, ["cat"], stdin=True, tty=True)
        opened = api.exec_start(made["Id"], socket=True, tty=True)
        stream: Any = getattr(opened, "_sock", opened)
        try:
            stream.sendall(b"x\n")
            stream.recv(100)
            began = time.perf_counter()
            for _ in range(CALLS):
                stream.sendall(b"x")
                stream.recv(1)
            return (time.perf_counter() - began) / CALLS * 1e3
        finally:
            stream.close()

    async def _parallel(self) -> Row:
        """Milliseconds a command, where eight run at once."""
        ours, theirs = [], []
        for _ in range(3):
            ours.append(await _at_once(lambda: self._command("true"), MANY))
            theirs.append(await _at_once(self._exec("true"), MANY // 4))
        return from_samples("P10", "a command, eight at once", ours, theirs, "ms", "docker exec", 1 / 15)

    async def _flood(self, exec_true: list[float]) -> list[Row]:
        """Other calls beside a command that prints without end to one who does read it; then the helper's memory."""
        flood = asyncio.create_task(self._command(FLOOD, key := new_id("cmd")))
        await asyncio.sleep(1.0)
        took = [await _took(self._stat) for _ in range(CALLS)]
        memory = await asyncio.to_thread(self._helper_megabytes)
        alive = not flood.done()
        await self._client.stop_command(pb.StopCommandRequest(sandbox_id=self._sandbox, command_id=key))
        with contextlib.suppress(AssertionError):
            await flood
        if not alive:
            raise ValueError("the flood went dry")
        p90, note = quantile(took, 0.9), "the goal is 15 ms, where `docker exec` takes 58"
        return [
            Row("P10", "stat p90 beside a flood", p90, median(exec_true), "ms", "docker exec", 0.26, note),
            Row("P10", "the helper's memory beside a flood", memory, 20.0, "MB", "the goal", 1.0),
        ]

    def _helper_megabytes(self) -> float:
        """The helper is the first process of ours in the container."""
        listed = self._container.top(ps_args="-eo pid,ppid,args")["Processes"]
        pids = [
            int(pid) for pid, _, arguments in listed if "/opt/lucid/" in arguments and "docker-init" not in arguments
        ]
        sizes = [Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0] for pid in pids]
        return max(int(size) for size in sizes) / 1024

    async def _command(self, command: str, key: str = "") -> None:
        request = pb.RunCommandRequest(
            sandbox_id=self._sandbox, command_id=key or new_id("cmd"), command=command, timeout_ms=60_000
        )
        answers = [answer async for answer in self._client.run_command(request) if not answer.HasField("output")]
        assert answers[-1].exit.exit_code == 0

    async def _ten(self) -> None:
        """Every byte has to come."""
        request = pb.RunCommandRequest(
            sandbox_id=self._sandbox, command_id=new_id("cmd"), command=TEN_MEGABYTES, timeout_ms=60_000
        )
        came = 0
        async for answer in self._client.run_command(request):
            came += len(answer.output.data)
        assert came == 10 * MEGABYTE, came

    async def _stat(self) -> None:
        await self._client.stat_file(fpb.StatFileRequest(sandbox_id=self._sandbox, path="lines"))

    async def _tree(self) -> None:
        found = await self._client.list_tree(pb.ListTreeRequest(sandbox_id=self._sandbox, path="tree"))
        assert len(found.entries) == 1_000, len(found.entries)

    async def _read(self) -> None:
        read = await self._client.read_file(pb.ReadFileRequest(sandbox_id=self._sandbox, path="megabyte"))
        assert len(read.data) == MEGABYTE

    async def _write(self) -> None:
        content = b"x" * MEGABYTE
        await self._client.write_file(
            fpb.WriteFileRequest(sandbox_id=self._sandbox, write_id=new_id("wri"), path="written", content=content)
        )

    async def _edit(self) -> None:
        before, after = ("line 1000\n", "LINE 1000\n") if self._edits % 2 == 0 else ("LINE 1000\n", "line 1000\n")
        self._edits += 1
        change = pb.EditFileRequest.Replace(old_text=f"\n{before}", new_text=f"\n{after}")
        done = await self._client.edit_file(
            pb.EditFileRequest(sandbox_id=self._sandbox, edit_id=new_id("edt"), path="lines", replace=change)
        )
        assert (done.added, done.removed) == (1, 1)

    async def _put_archive(self) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            about = tarfile.TarInfo("put")
            about.size = MEGABYTE
            archive.addfile(about, io.BytesIO(b"x" * MEGABYTE))
        assert await asyncio.to_thread(self._container.put_archive, "/workspace", packed.getvalue())

    def _exec(self, *command: str) -> Way:
        async def enter() -> None:
            process = await asyncio.create_subprocess_exec(
                "docker", "exec", self._name, *command, stdout=asyncio.subprocess.PIPE
            )
            await process.communicate()
            assert process.returncode == 0

        return enter


async def _took(way: Way) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    await way()
    return (time.perf_counter() - began) * 1e3


async def _at_once(way: Way, times: int) -> float:
    """Milliseconds each."""
    left = iter(range(times))

    async def work() -> None:
        for _ in left:
            await way()

    return await _took(lambda: asyncio.gather(*(work() for _ in range(PARALLEL)))) / times
