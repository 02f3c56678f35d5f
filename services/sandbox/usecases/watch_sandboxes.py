"""WatchSandboxes: how the caller's sandboxes are, and then how they become."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

from services.sandbox.domain.models import Sandbox, Watched
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import view_of

PAGE = 500
Rows = TypeVar("Rows")


async def watch_sandboxes(ports: Ports, user_id: str | None, revision: str) -> AsyncGenerator[Watched, None]:
    """First what has changed after `revision`, or all where that is not known any more; then whatever changes, what
    changes fast in one. Without end."""
    changes = ports.fleet.changes
    while True:
        ids, now = changes.since(revision, user_id), changes.revision
        if ids is None:
            for page in await _to_its_end(_pages(ports, user_id)) or [[]]:
                yield Watched(tuple([await view_of(ports, one) for one in page]), (), now, whole=revision != now)
                revision = now
        elif ids or revision != now:
            there = await _to_its_end(_rows(ports, ids))
            gone = ids - {row.sandbox_id for row in there}
            revision = now
            if ids:
                yield Watched(
                    tuple([await view_of(ports, one) for one in there]), tuple(sorted(gone)), now, whole=False
                )
        await changes.after(revision)


async def _pages(ports: Ports, user_id: str | None) -> list[list[Sandbox]]:
    pages: list[list[Sandbox]] = []
    while page := await ports.store.page(user_id, pages[-1][-1].sandbox_id if pages else "", PAGE):
        pages.append(page)
    return pages


async def _rows(ports: Ports, ids: set[str]) -> list[Sandbox]:
    rows = [await ports.store.get(sandbox_id) for sandbox_id in sorted(ids)]
    return [row for row in rows if row is not None]


async def _to_its_end(reading: Coroutine[Any, Any, Rows]) -> Rows:
    """Watchers leave at any moment: a query that is cut off would take its connection with it."""
    task = asyncio.create_task(reading)
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait({task})
