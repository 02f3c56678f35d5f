"""Which sandboxes are in use, by this service and by others of the same data folder.

Sandboxes go by their bodies here. Whoever calls one holds its file `<data>/helpers/<short>.use` in common with all
other callers; whoever puts it to sleep holds it alone. So no call ever meets a sandbox that is being paused or removed,
and the kernel lets go for a service that dies. The file's time is that of the last use, to tell what happened between
two looks.
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
    async def held(self, body: str) -> AsyncIterator[None]:
        """While the block runs, and a moment longer, nobody puts it to sleep."""
        await self.hold(body)
        try:
            yield
        finally:
            self.leave(body)

    async def hold(self, body: str) -> None:
        """Until `leave`. Wakes it where it sleeps. Raises SandboxUnavailable."""
        use = self._uses.setdefault(body, _Use())
        use.count += 1
        self._times[body] = self._times.get(body, 0) + 1
        self._last[body] = self._clock.now()
        try:
            if use.fd < 0:
                await self._share(body, use)
                await self.wake(body)
        except BaseException:
            self.leave(body)
            raise

    def leave(self, body: str) -> None:
        """Ends one `hold`."""
        use = self._uses[body]
        use.count -= 1
        self._last[body] = self._clock.now()
        if not use.count and use.fd >= 0:
            if use.timer is not None:
                use.timer.cancel()
            use.timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._let_go, body, use)

    def touch(self, body: str) -> None:
        """Counts as a use of this moment."""
        self._last[body] = self._clock.now()

    def take_last(self) -> dict[str, datetime]:
        """The last uses since this was asked before."""
        taken, self._last = self._last, {}
        taken.update({body: self._clock.now() for body, use in self._uses.items() if use.count})
        return taken

    def stamp(self, body: str) -> tuple[int, int]:
        """Changes with every use, here or by another service."""
        use = self._uses.get(body)
        if use is not None:
            self._let_go(body, use)
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Opened as by a user: what is made only later would look like a use.
        fd = os.open(self._path(body), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return os.fstat(fd).st_mtime_ns, self._times.get(body, 0)
        finally:
            os.close(fd)

    def forget(self, body: str) -> None:
        """It is gone for good."""
        self._last.pop(body, None)
        self._times.pop(body, None)

    @contextlib.asynccontextmanager
    async def alone(self, body: str, seconds: float = 0.0) -> AsyncIterator[None]:
        """While the block runs nobody uses it. Waits for others so long. Raises SandboxInUse."""
        use = self._uses.get(body)
        if use is not None and use.count:
            raise SandboxInUse("The sandbox is being used.")
        if use is not None:
            self._let_go(body, use)
        fd = await self._take(body, fcntl.LOCK_EX, seconds)
        if fd is None:
            raise SandboxInUse("The sandbox is being used.")
        try:
            yield
        finally:
            os.close(fd)

    def close(self) -> None:
        """Lets go of all."""
        for body, use in list(self._uses.items()):
            if not use.count:
                self._let_go(body, use)

    async def _share(self, body: str, use: _Use) -> None:
        fd = await self._take(body, fcntl.LOCK_SH, WAIT_SECONDS)
        if fd is None:
            raise SandboxUnavailable("The sandbox is being put away.")
        if use.fd >= 0:  # another call was faster
            os.close(fd)
        else:
            use.fd = fd

    def _let_go(self, body: str, use: _Use) -> None:
        if use.count:
            return
        if use.timer is not None:
            use.timer.cancel()
        if use.fd >= 0:
            with contextlib.suppress(OSError):
                os.utime(use.fd)
            os.close(use.fd)
        if self._uses.get(body) is use:
            del self._uses[body]

    async def _take(self, body: str, how: int, seconds: float) -> int | None:
        last = time.monotonic() + seconds
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        while (fd := _locked(self._path(body), how)) is None:
            if time.monotonic() >= last:
                return None
            await asyncio.sleep(PAUSE)
        return fd

    def _path(self, body: str) -> Path:
        return self._root / f"{short_name(body)}.use"


async def _nothing(body: str) -> None:
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
