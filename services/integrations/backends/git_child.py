"""Starting git as a child, so that nothing of it is left where the caller is cancelled meanwhile."""

import asyncio
import contextlib
import os
import signal
from typing import Any


async def start_git(*arguments: str, **options: Any) -> asyncio.subprocess.Process:
    """Runs `git` with these arguments, at the head of a process group of its own, so that its own children can be ended
    with it; `options` as asyncio.create_subprocess_exec takes them."""
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec("git", *arguments, start_new_session=True, **options),
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # asyncio kills a child that is half connected alone, without its children, and may wait for it for ever.
        child = await starting
        kill_group(child)
        await child.communicate()
        raise


def kill_group(child: asyncio.subprocess.Process) -> None:
    """Ends a git and its children at once. Safe to repeat."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
