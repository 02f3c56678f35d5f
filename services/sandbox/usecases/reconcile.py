"""At the start of the service: what runs is found again, what nobody knows any more is removed."""

import asyncio

from services.sandbox.ports import Ports

AT_ONCE = 16


async def reconcile(ports: Ports) -> list[str]:
    """Removes containers, volumes and folders of this instance that have no row. Another instance's are not touched."""
    # First what is there, then what is known: a row comes before its sandbox.
    there = await ports.fleet.survey()
    orphans = sorted(there - set(await ports.store.bodies())) if there else []
    for body in orphans:
        await ports.fleet.remove_orphan(body)
    return orphans


async def find_again(ports: Ports) -> None:
    """Connects to the sandboxes that run since before: their commands may use the way to the git gate meanwhile."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def find(sandbox_id: str) -> None:
        async with limit:
            sandbox = await ports.store.get(sandbox_id)
            if sandbox is not None and not sandbox.removed:
                await ports.fleet.find(sandbox)

    known = (await ports.store.bodies()).items()
    running = [sandbox_id for body, sandbox_id in known if sandbox_id and ports.fleet.may_run(body)]
    await asyncio.gather(*map(find, running), return_exceptions=True)
