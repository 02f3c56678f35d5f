"""Git's smart HTTP for local repositories: git's own http-backend, one child per request (CGI, RFC 3875)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.integrations.backends.git_child import kill_group, start_git
from services.integrations.backends.git_environment import git_environment
from services.integrations.domain.errors import ProviderUnavailable
from services.integrations.ports import GitCall, GitReply

CHUNK_BYTES = 64 * 1024
MAX_HEADER_BYTES = 16 * 1024
LEAVE_SECONDS = 1.0


@dataclass(frozen=True)
class _Reply:
    status: int
    headers: Mapping[str, str]
    stdout: asyncio.StreamReader

    async def body(self) -> AsyncIterator[bytes]:
        """What the child prints after its headers."""
        while data := await self.stdout.read(CHUNK_BYTES):
            yield data


class HttpBackend:
    """Serves the bare repositories below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextlib.asynccontextmanager
    async def exchange(self, call: GitCall, body: AsyncIterator[bytes] | None) -> AsyncIterator[GitReply]:
        """Runs the child for as long as the block does. Raises ProviderUnavailable."""
        child = await start_git(
            "http-backend",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=git_environment(self._variables(call, body)),
            limit=MAX_HEADER_BYTES * 4,
        )
        feeder = asyncio.create_task(_feed(child, body))
        try:
            assert child.stdout is not None
            status, headers = await _headers(child.stdout)
            yield _Reply(status, headers, child.stdout)
            await feeder
        finally:
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)
            await _end(child)

    def _variables(self, call: GitCall, body: AsyncIterator[bytes] | None) -> dict[str, str]:
        variables = {
            "GIT_PROJECT_ROOT": str(self._root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{call.full_name}.git/{call.endpoint}",
            "QUERY_STRING": call.query,
            "REQUEST_METHOD": "GET" if body is None else "POST",
            "CONTENT_TYPE": call.content_type,
            "HTTP_CONTENT_ENCODING": call.content_encoding,
            "REMOTE_USER": "lucid",
            "REMOTE_ADDR": "127.0.0.1",
        }
        if call.protocol:
            variables |= {"GIT_PROTOCOL": call.protocol, "HTTP_GIT_PROTOCOL": call.protocol}
        # No CONTENT_LENGTH: told of one, git waits for it for ever, at full speed, when this process dies in between.
        return variables


async def _feed(child: asyncio.subprocess.Process, body: AsyncIterator[bytes] | None) -> None:
    """Hands the body to the child; a body that breaks off kills the child before it can take a half for the whole."""
    assert child.stdin is not None
    try:
        if body is not None:
            async for data in body:
                child.stdin.write(data)
                await child.stdin.drain()
        child.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        if body is not None:
            async for _ in body:  # the child has its answer ready and reads no more
                pass
    except BaseException:
        kill_group(child)
        raise


async def _headers(stdout: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    try:
        block = await stdout.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ProviderUnavailable("Git did not answer.") from error
    headers = {}
    for line in block.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(headers.get("status", "200").split()[0]), headers


async def _end(child: asyncio.subprocess.Process) -> None:
    """A moment to leave by itself, then not. What it still says is read, or its pipes would stay open."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.close()
    try:
        async with asyncio.timeout(LEAVE_SECONDS):
            await child.wait()
    except TimeoutError:
        kill_group(child)
    while await child.stdout.read(CHUNK_BYTES):
        pass
    await child.wait()
