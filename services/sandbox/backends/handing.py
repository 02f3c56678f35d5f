"""Hands a socket over to the helper that is being booted: to the one that knows the token, once."""

import asyncio
import contextlib
import hmac
import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from services.sandbox.backends.run_folder import listening_socket

ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Handing:
    """`name` in the folder that the sandbox sees as its run folder, and the word to say there."""

    name: str
    token: str


@contextlib.asynccontextmanager
async def handing_over(folder: Path, entrance: socket.socket) -> AsyncIterator[Handing]:
    """While the block runs. Commands of an earlier helper may still run in there: they do not know the token."""
    handing = Handing(f"boot-{secrets.token_hex(8)}.sock", secrets.token_hex(16))
    door = listening_socket(folder / handing.name)
    try:
        serving = asyncio.create_task(_serve(door, handing.token, entrance))
        try:
            yield handing
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving
    finally:
        door.close()
        (folder / handing.name).unlink(missing_ok=True)


async def _serve(door: socket.socket, token: str, entrance: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as callers:
        while True:
            caller, _ = await loop.sock_accept(door)
            callers.create_task(_answer(caller, token, entrance))


async def _answer(caller: socket.socket, token: str, entrance: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    said = b""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            while not said.endswith(b"\n") and len(said) <= len(token):
                part = await loop.sock_recv(caller, 1 + len(token) - len(said))
                if not part:
                    return
                said += part
        if hmac.compare_digest(said, token.encode() + b"\n"):
            socket.send_fds(caller, [b"!"], [entrance.fileno()])
    except (OSError, TimeoutError):
        return
    finally:
        caller.close()
