"""A program on this machine that may outlive us, spoken to by its standard input and output while it reads them.

It is nobody's child: when it ends, the machine's init collects it, whichever of our processes is there then.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
from collections.abc import Mapping

from services.rpc.logs import get_logger
from services.sandbox.domain.errors import GuestLost, SandboxUnavailable

READ_SIZE = 256 * 1024
LAST_WORDS_SECONDS = 4.0
ORPHAN = ("setsid", "--fork")
log = get_logger(__name__)


class ProcessAttachment:
    """See ports.Attachment. Closing it lets the program go: one that still reads its input sees the end of it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        errors: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._errors = errors  # both: a writer that nobody holds closes its socket
        self._complaints = asyncio.create_task(_drain(errors[0]))

    async def read(self) -> bytes:
        """See ports.Attachment."""
        return await self._reader.read(READ_SIZE)

    async def write(self, data: bytes) -> None:
        """See ports.Attachment."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except (OSError, RuntimeError) as error:
            raise GuestLost from error

    async def close(self) -> None:
        """See ports.Attachment."""
        self._writer.close()
        self._complaints.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._complaints
        self._errors[1].close()

    async def complaint(self) -> str:
        """The last that it said on standard error, once it has ended or let go."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                return await asyncio.shield(self._complaints)
        return ""


async def start(
    argv: list[str], env: Mapping[str, str], cwd: str, descriptors: tuple[int, ...] = ()
) -> ProcessAttachment:
    """Starts a program with exactly these variables, and open files of ours besides. Raises SandboxUnavailable."""
    near, far = socket.socketpair()
    errors, complaints = socket.socketpair()
    try:
        await asyncio.to_thread(_spawn, argv, env, cwd, far.fileno(), complaints.fileno(), descriptors)
    except OSError as error:
        near.close()
        errors.close()
        raise SandboxUnavailable(f"{argv[0]} could not be started: {error.strerror}") from error
    finally:
        far.close()
        complaints.close()
    reader, writer = await asyncio.open_connection(sock=near, limit=1 << 20)
    return ProcessAttachment(reader, writer, await asyncio.open_connection(sock=errors))


def _spawn(
    argv: list[str], env: Mapping[str, str], cwd: str, pipe: int, complaints: int, descriptors: tuple[int, ...]
) -> None:
    """The child forks at once and ends; its child, which runs the program, is init's."""
    search = {"PATH": os.defpath, **env}
    subprocess.run(  # noqa: S603
        [*ORPHAN, *argv],
        env=search,
        cwd=cwd,
        stdin=pipe,
        stdout=pipe,
        stderr=complaints,
        pass_fds=descriptors,
        check=False,
    )


async def _drain(stderr: asyncio.StreamReader) -> str:
    last = ""
    with contextlib.suppress(OSError):
        while line := await stderr.readline():
            last = line.decode(errors="replace").rstrip()
            log.info("sandbox helper says", extra={"line": last[:500]})
    return last
