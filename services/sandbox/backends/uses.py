"""Which sandboxes are in use, by this service and by others of the same data folder.

Whoever calls a sandbox holds its file `<data>/helpers/<short>.use` in common with all other callers; whoever puts it to
sleep holds it alone. So no call ever meets a sandbox that is being paused or removed, and the kernel lets go for a
service that dies. The file's time is that of the last use, to tell what happened between two looks.
"""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from services.sandbox.backends.run_folder import short_name
from services.sandbox.domain.errors import SandboxInUse, SandboxUnavailable
from services.sandbox.ports import Clock

# The lock is kept for a moment: calls come in bursts, and between finding the way in and going it nobody may close it.
LINGER_SECONDS = 1.0
WAIT_SECONDS = 300.0
PAUSE = 0.01
Wake = Callable[[str], Awaitable[None]]


@dataclass
class _Use:
    count: int = 0
    fd: int = -1
    timer: asyncio.TimerHandle | None = None


class Uses:
    """`wake` is called for a sandbox that may be asleep, by those who come to use it."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._root = data_dir / "helpers"
        self._clock = clock
        self._uses: dict[str, _Use] = {}
        self._last: dict[str, datetime] = {}
        self._times: dict[str, int] = {}
        self.wake: Wake = _nothing

    @contextlib.asynccontextmanager
    async def held(self, sandbox_id: str) -> AsyncIterator[None]:
        """While the block runs, and a moment longer, nobody puts it to sleep."""
        await self.hold(sandbox_id)
        try:
            yield
        finally:
            self.leave(sandbox_id)

    async def hold(self, sandbox_id: str) -> None:
        """Until `leave`. Wakes it where it sleeps. Raises SandboxUnavailable."""
        use = self._uses.setdefault(sandbox_id, _Use())
        use.count += 1
        self._times[sandbox_id] = self._times.get(sandbox_id, 0) + 1
        self._last[sandbox_id] = self._clock.now()
        try:
            if use.fd < 0:
                await self._share(sandbox_id, use)
                await self.wake(sandbox_id)
        except BaseException:
            self.leave(sandbox_id)
            raise

    def leave(self, sandbox_id: str) -> None:
        """Ends one `hold`."""
        use = self._uses[sandbox_id]
        use.count -= 1
        self._last[sandbox_id] = self._clock.now()
        if not use.count and use.fd >= 0:
            if use.timer is not None:
                use.timer.cancel()
            use.timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._let_go, sandbox_id, use)

    def touch(self, sandbox_id: str) -> None:
        """Counts as a use of this moment."""
        self._last[sandbox_id] = self._clock.now()

    def take_last(self) -> dict[str, datetime]:
        """The last uses since this was asked before."""
        taken, self._last = self._last, {}
        taken.update({sandbox_id: self._clock.now() for sandbox_id, use in self._uses.items() if use.count})
        return taken

    def stamp(self, sandbox_id: str) -> tuple[int, int]:
        """Changes with every use, here or by another service."""
        use = self._uses.get(sandbox_id)
        if use is not None:
            self._let_go(sandbox_id, use)
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Opened as by a user: what is made only later would look like a use.
        fd = os.open(self._path(sandbox_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return os.fstat(fd).st_mtime_ns, self._times.get(sandbox_id, 0)
        finally:
            os.close(fd)

    def forget(self, sandbox_id: str) -> None:
        """It is gone for good."""
        self._last.pop(sandbox_id, None)
        self._times.pop(sandbox_id, None)

    @contextlib.asynccontextmanager
    async def alone(self, sandbox_id: str, seconds: float = 0.0) -> AsyncIterator[None]:
        """While the block runs nobody uses it. Waits for others so long. Raises SandboxInUse."""
        use = self._uses.get(sandbox_id)
        if use is not None and use.count:
            raise SandboxInUse("The sandbox is being used.")
        if use is not None:
            self._let_go(sandbox_id, use)
        fd = await self._take(sandbox_id, fcntl.LOCK_EX, seconds)
        if fd is None:
            raise SandboxInUse("The sandbox is being used.")
        try:
            yield
        finally:
            os.close(fd)

    def close(self) -> None:
        """Lets go of all."""
        for sandbox_id, use in list(self._uses.items()):
            if not use.count:
                self._let_go(sandbox_id, use)

    async def _share(self, sandbox_id: str, use: _Use) -> None:
        fd = await self._take(sandbox_id, fcntl.LOCK_SH, WAIT_SECONDS)
        if fd is None:
            raise SandboxUnavailable("The sandbox is being put away.")
        if use.fd >= 0:  # another call was faster
            os.close(fd)
        else:
            use.fd = fd

    def _let_go(self, sandbox_id: str, use: _Use) -> None:
        if use.count:
            return
        if use.timer is not None:
            use.timer.cancel()
        if use.fd >= 0:
            with contextlib.suppress(OSError):
                os.utime(use.fd)
            os.close(use.fd)
        if self._uses.get(sandbox_id) is use:
            del self._uses[sandbox_id]

    async def _take(self, sandbox_id: str, how: int, seconds: float) -> int | None:
        last = time.monotonic() + seconds
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        while (fd := _locked(self._path(sandbox_id), how)) is None:
            if time.monotonic() >= last:
                return None
            await asyncio.sleep(PAUSE)
        return fd

    def _path(self, sandbox_id: str) -> Path:
        return self._root / f"{short_name(sandbox_id)}.use"


async def _nothing(sandbox_id: str) -> None:
    """Nobody sleeps."""


@contextlib.contextmanager
def _closing(fd: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.close(fd)
        raise


def _locked(path: Path, how: int) -> int | None:
    """The descriptor that holds the lock; None while it cannot be had, or where the file was just removed."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with _closing(fd):
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
            if os.fstat(fd).st_ino == path.stat().st_ino:
                return fd
        except (BlockingIOError, FileNotFoundError):
            pass
    os.close(fd)
    return None
