"""The sockets by which helpers are reached: outside of what any sandbox sees, for this service's user alone.

`<data>/helpers/<short>/control.sock` is bound here and handed to the helper when it is booted. Any later service of
this data folder connects to it. A socket that nobody listens to any more belonged to a helper that is dead.
"""

import asyncio
import contextlib
import fcntl
import os
import select
import shutil
import signal
import socket
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

from services.sandbox.backends.run_folder import short_name, short_path
from services.sandbox.domain.errors import GuestLost, SandboxUnavailable

READ_SIZE = 256 * 1024
CONNECT_SECONDS = 5.0
LOCK_SECONDS = 120.0
LOCK_PAUSE = 0.02
PAUSED, ENDED, DOWN = "paused", "ended", "down"
END_SECONDS = 5.0
PEER = struct.Struct("3i")


class ControlAttachment:
    """See ports.Attachment. Closing it leaves the helper as it is."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

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
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class ControlSockets:
    """All of one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "helpers"

    @contextlib.asynccontextmanager
    async def alone(self, sandbox_id: str) -> AsyncIterator[None]:
        """While the block runs no other service starts or ends this sandbox. Raises SandboxUnavailable."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._root / f"{short_name(sandbox_id)}.lock"
        held = await _lock(path)
        try:
            yield
        finally:
            os.close(held)

    def bind(self, sandbox_id: str) -> socket.socket:
        """A new listening socket in place of the old one. It answers once it is handed over and we have closed it."""
        folder = self._folder(sandbox_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(sandbox_id)
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with short_path(path) as name:
            listener.bind(name)
        path.chmod(0o600)
        listener.listen(1)
        self.mark(sandbox_id, "")
        return listener

    def rest(self, sandbox_id: str) -> str:
        """The word that was left for all services: PAUSED, ENDED (its helper, by a service), DOWN (with all)."""
        try:
            return (self._folder(sandbox_id) / "rest").read_text()
        except OSError:
            return ""

    def mark(self, sandbox_id: str, word: str) -> None:
        """Leaves a word; empty takes it away."""
        _mark(self._folder(sandbox_id), word)

    async def connect(self, sandbox_id: str) -> ControlAttachment | None:
        """A connection to its helper; None where none listens. One that hangs may still take the connection."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                with short_path(self._path(sandbox_id)) as name:
                    return ControlAttachment(*await asyncio.open_unix_connection(name, limit=1 << 20))
        except (OSError, TimeoutError):
            return None

    def is_there(self, sandbox_id: str) -> bool:
        """Whether a helper was ever booted that nobody has removed since."""
        return self._path(sandbox_id).exists()

    async def kill(self, sandbox_id: str) -> None:
        """Kills the helper, if one listens and is seen from here, and waits for its end. Safe to repeat."""
        await asyncio.to_thread(_kill, self._path(sandbox_id))

    def kill_all(self) -> None:
        """Every helper of this data folder that is seen from here."""
        for path in self._root.glob("*/control.sock"):
            rest = path.with_name("rest")
            # What is paused uses nothing, and would not hear of its end before it goes on.
            if not (rest.exists() and rest.read_text() == PAUSED):
                _mark(path.parent, DOWN)
                _kill(path)

    def remove(self, sandbox_id: str) -> None:
        """Forgets the socket and the lock; called by the one who holds it."""
        shutil.rmtree(self._folder(sandbox_id), ignore_errors=True)
        for kind in ("use", "lock"):
            (self._root / f"{short_name(sandbox_id)}.{kind}").unlink(missing_ok=True)

    def _folder(self, sandbox_id: str) -> Path:
        return self._root / short_name(sandbox_id)

    def _path(self, sandbox_id: str) -> Path:
        return self._folder(sandbox_id) / "control.sock"


def _mark(folder: Path, word: str) -> None:
    path = folder / "rest"
    if not word:
        path.unlink(missing_ok=True)
    elif folder.is_dir():
        unfinished = path.with_name(f"rest.{os.getpid()}")
        unfinished.write_text(word)
        unfinished.rename(path)


def _kill(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
        way.settimeout(CONNECT_SECONDS)
        try:
            with short_path(path) as name:
                way.connect(name)
        except OSError:
            return
        _kill_peer(way)


def _kill_peer(way: socket.socket) -> None:
    """Kills the process that listens on the other side, and no other one that was given its number since."""
    pid, _, _ = PEER.unpack(way.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
    if pid <= 0:  # in a process namespace that is not below ours
        return
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        watched = select.poll()
        watched.register(way, select.POLLHUP | select.POLLERR)
        if watched.poll(0):  # it has ended already: the number may be somebody else's
            return
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        ended = select.poll()
        ended.register(handle, select.POLLIN)
        ended.poll(END_SECONDS * 1000)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


async def _lock(path: Path) -> int:
    last = time.monotonic() + LOCK_SECONDS
    while (held := _try_lock(path)) is None:  # a wait in the kernel would hold a thread, and could not be cancelled
        if time.monotonic() > last:
            raise SandboxUnavailable("Another service holds this sandbox.")
        await asyncio.sleep(LOCK_PAUSE)
    return held


def _try_lock(path: Path) -> int | None:
    """The descriptor that holds the lock; None while somebody else holds it, or has just removed it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_ino == path.stat().st_ino:
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        os.close(fd)
        raise SandboxUnavailable("The sandbox cannot be locked.") from error
    os.close(fd)
    return None
