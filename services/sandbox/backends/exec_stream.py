"""A program in a running container, attached to over the engine's own HTTP: one POST to make it, one that is upgraded.

What comes back is multiplexed (tty is off): 8 bytes of header, then bytes of standard output (1) or error (2).
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any

from services.rpc.logs import get_logger
from services.sandbox.domain.errors import GuestLost, SandboxUnavailable

READ_SIZE = 256 * 1024
ANSWER_SECONDS = 30.0
STDERR = 2
log = get_logger(__name__)


class ExecAttachment:
    """See ports.Attachment. Closing it ends the program's input; the program itself goes on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()

    async def read(self) -> bytes:
        """See ports.Attachment."""
        output = bytearray()
        while not output:
            data = await self._reader.read(READ_SIZE)
            if not data:
                return b""
            self._buffer += data
            self._split(output)
        return bytes(output)

    def _split(self, output: bytearray) -> None:
        position = 0
        while len(self._buffer) - position >= 8:
            end = position + 8 + int.from_bytes(self._buffer[position + 4 : position + 8], "big")
            if len(self._buffer) < end:
                break
            part = self._buffer[position + 8 : end]
            if self._buffer[position] == STDERR:
                log.info("sandbox helper says", extra={"line": bytes(part[:500]).decode(errors="replace").rstrip()})
            else:
                output += part
            position = end
        del self._buffer[:position]

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
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def attach(socket_path: str, container: str, argv: list[str], env: Mapping[str, str], cwd: str) -> ExecAttachment:
    """Starts a program in a container. Raises SandboxUnavailable."""
    order = {
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "User": "1000:1000",
        "WorkingDir": cwd,
        "Env": [f"{name}={value}" for name, value in env.items()],
        "Cmd": argv,
    }
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            made = await _post(socket_path, f"/containers/{container}/exec", order)
            return await _upgrade(socket_path, f"/exec/{made['Id']}/start", {"Detach": False, "Tty": False})
    except (OSError, TimeoutError, ValueError, KeyError, asyncio.IncompleteReadError) as error:
        raise SandboxUnavailable(f"The container cannot be entered: {error}") from error


def _request(path: str, body: dict[str, Any], *headers: str) -> bytes:
    content = json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: docker",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


async def _post(socket_path: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(socket_path)
    try:
        writer.write(_request(path, body, "Connection: close"))
        head = await reader.readuntil(b"\r\n\r\n")
        content = await reader.read(1 << 20)
    finally:
        writer.close()
    if b" 201 " not in head.split(b"\r\n", 1)[0]:
        raise ValueError(content.decode(errors="replace")[:300] or "the engine refused")
    if b"chunked" in head.lower():
        content = content.partition(b"\r\n")[2].rpartition(b"\r\n0\r\n")[0]
    answer = json.loads(content)
    if not isinstance(answer, dict):
        raise ValueError("the engine's answer is not an object")
    return answer


async def _upgrade(socket_path: str, path: str, body: dict[str, Any]) -> ExecAttachment:
    reader, writer = await asyncio.open_unix_connection(socket_path, limit=1 << 20)
    writer.write(_request(path, body, "Connection: Upgrade", "Upgrade: tcp"))
    head = await reader.readuntil(b"\r\n\r\n")
    status = head.split(b"\r\n", 1)[0]
    if b" 101 " not in status and b" 200 " not in status:
        writer.close()
        raise ValueError(status.decode(errors="replace"))
    return ExecAttachment(reader, writer)
