"""A program on this machine, spoken to by its standard input and output."""

import asyncio
import contextlib
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping

from services.rpc.logs import get_logger
from services.sandbox.domain.errors import GuestLost, SandboxUnavailable

READ_SIZE = 256 * 1024
END_SECONDS = 4.0
log = get_logger(__name__)


class ProcessAttachment:
    """See ports.Attachment. Closing its input asks it to end; then it is killed."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._complaints = asyncio.create_task(_drain(process.stderr))

    async def read(self) -> bytes:
        """See ports.Attachment."""
        return await self._stdout.read(READ_SIZE)

    async def write(self, data: bytes) -> None:
        """See ports.Attachment."""
        try:
            self._stdin.write(data)
            await self._stdin.drain()
        except (OSError, RuntimeError) as error:
            raise GuestLost from error

    async def close(self) -> None:
        """See ports.Attachment."""
        with contextlib.suppress(OSError, RuntimeError):
            self._stdin.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        self._complaints.cancel()

    async def complaint(self) -> str:
        """The last that it said on standard error, once it has ended."""
        return await self._complaints


async def start(argv: list[str], env: Mapping[str, str], cwd: str) -> ProcessAttachment:
    """Starts a program with exactly these variables. Raises SandboxUnavailable."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, env=dict(env), cwd=cwd, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True, limit=1 << 20
        )
    except OSError as error:
        raise SandboxUnavailable(f"{argv[0]} could not be started: {error.strerror}") from error
    return ProcessAttachment(process)


async def _drain(stderr: asyncio.StreamReader) -> str:
    last = ""
    while line := await stderr.readline():
        last = line.decode(errors="replace").rstrip()
        log.info("sandbox helper says", extra={"line": last[:500]})
    return last
