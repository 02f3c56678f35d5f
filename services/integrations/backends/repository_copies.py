"""RepositoryCache: bare copies of hosted repositories in the data folder; the ones used longest ago give way first."""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

from services.integrations.backends.copy_fetch import CopyTooLarge, fetch_copy, present
from services.integrations.backends.http_backend import HttpBackend
from services.integrations.backends.local_git import run_git
from services.integrations.ports import GitCall, GitReply, GitUpstream
from services.rpc.errors import LucidError
from services.rpc.logs import get_logger

OFFER_SECONDS = 600.0
MAX_OFFERS = 64
UPDATE_SECONDS = 60.0  # a session waits for it
FILL_SECONDS = 3600.0
AGAIN_SECONDS = 60.0
IN_USE_SECONDS = 900.0
MAX_PACKS = 20
log = get_logger("integrations.cache")


class RepositoryCopies:
    """See ports.RepositoryCache. `most_bytes`: of all copies together. Several services may share the folder."""

    def __init__(self, root: Path, most_bytes: int) -> None:
        self._root = root
        self._most_bytes = most_bytes
        self._backend = HttpBackend(root)
        self._offers: OrderedDict[str, tuple[float, frozenset[str]]] = OrderedDict()
        self._tried: dict[str, float] = {}
        self._filling: set[asyncio.Task[bool]] = set()

    def offered(self, session_id: str, commits: Collection[str]) -> None:
        """See ports.RepositoryCache."""
        self._offers[session_id] = (time.monotonic(), frozenset(commits))
        self._offers.move_to_end(session_id)
        while len(self._offers) > MAX_OFFERS:
            self._offers.popitem(last=False)

    async def holds(self, session_id: str, upstream: GitUpstream, call: GitCall, wants: Collection[str]) -> bool:
        """See ports.RepositoryCache."""
        at, commits = self._offers.get(session_id, (0.0, frozenset[str]()))
        if not wants or time.monotonic() - at > OFFER_SECONDS or not commits.issuperset(wants):
            return False
        copy = self._path(call)
        if not (copy / "complete").exists():
            return False
        if len(await present(copy, wants)) < len(wants):
            if not await self._fill(upstream, call, UPDATE_SECONDS):
                return False
            if len(await present(copy, wants)) < len(wants):
                return False
        os.utime(copy / "complete")
        return True

    def exchange(self, call: GitCall, body: AsyncIterator[bytes] | None) -> AbstractAsyncContextManager[GitReply]:
        """Answers from the copy. See ports.GitUpstream."""
        return self._backend.exchange(replace(call, full_name=self._path(call).stem, token=""), body)

    def fill_later(self, upstream: GitUpstream, call: GitCall) -> None:
        """See ports.RepositoryCache. One at a time: it is not in a hurry."""
        name = self._path(call).stem
        if self._filling or time.monotonic() - self._tried.get(name, -AGAIN_SECONDS) < AGAIN_SECONDS:
            return
        self._tried[name] = time.monotonic()
        task = asyncio.create_task(self._fill(upstream, call, FILL_SECONDS))
        self._filling.add(task)
        task.add_done_callback(self._filling.discard)

    async def close(self) -> None:
        """Ends what is under way; half a copy is never used."""
        for task in self._filling:
            task.cancel()
        await asyncio.gather(*self._filling, return_exceptions=True)

    def _path(self, call: GitCall) -> Path:
        """Of any name that a provider may give, a name that is one here."""
        where = hashlib.sha256(f"{call.base_url}/{call.full_name}".encode()).hexdigest()[:32]
        return self._root / f"{where}.git"

    async def _fill(self, upstream: GitUpstream, call: GitCall, seconds: float) -> bool:
        """Whether the copy is now as the provider's. Never raises: without it the provider is asked."""
        copy = self._path(call)
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                with _alone(copy) as is_ours:
                    if not is_ours:
                        return False
                    await self._make(copy)
                    room = await asyncio.to_thread(self._make_room, copy)
                    await fetch_copy(upstream, call, copy, room)
                    await self._tidy(copy)
                    (copy / "complete").touch()
        except (TimeoutError, OSError, LucidError, CopyTooLarge) as error:
            log.warning("repository not copied", extra={"repo": call.full_name, "error": type(error).__name__})
            return False
        took = round(time.monotonic() - began, 3)
        log.info("repository copied", extra={"repo": call.full_name, "seconds": took})
        return True

    async def _make(self, copy: Path) -> None:
        if (copy / "HEAD").exists():
            return
        code, _ = await run_git(copy, ["init", "--quiet", "--bare", "--template=", "--object-format=sha1"])
        if code:
            msg = "git init failed"
            raise OSError(msg)

    async def _tidy(self, copy: Path) -> None:
        """Many small packs become one; what a killed git has left goes."""
        packs = copy / "objects" / "pack"
        for leftover in packs.glob("tmp_*"):
            leftover.unlink(missing_ok=True)
        if len(list(packs.glob("*.pack"))) > MAX_PACKS:
            await run_git(copy, ["repack", "-a", "-d", "--quiet"])

    def _make_room(self, copy: Path) -> int:
        """Bytes that the copy may still take; others that nobody uses give way to it."""
        others = {path: _size(path) for path in self._root.glob("*.git") if path != copy}
        # Half of the room at least: one large repository must not leave none to the next.
        left = self._most_bytes - _size(copy) - sum(others.values())
        for path in sorted(others, key=_last_use):
            if left >= self._most_bytes // 2 or time.time() - _last_use(path) < IN_USE_SECONDS:
                break
            with _alone(path) as is_ours:
                if is_ours:
                    log.info("repository copy gives way", extra={"bytes": others[path]})
                    (path / "complete").unlink(missing_ok=True)
                    shutil.rmtree(path, ignore_errors=True)
                    left += others[path]
        return max(0, left)


@contextlib.contextmanager
def _alone(copy: Path) -> Iterator[bool]:
    """Whether no other fill is at work on this copy, while the block runs."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    held = os.open(copy.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(held)


def _last_use(copy: Path) -> float:
    try:
        return (copy / "complete").stat().st_mtime
    except OSError:
        return 0.0


def _size(copy: Path) -> int:
    found = 0
    for path in copy.rglob("*"):
        with contextlib.suppress(OSError):
            found += path.lstat().st_blocks * 512
    return found
