"""SearchFiles."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.sandbox.domain.files import Match, Searched, SearchOrder
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def search_files(
    ports: Ports, user_id: str | None, sandbox_id: str, order: SearchOrder
) -> AsyncGenerator[tuple[Match, ...] | Searched, None]:
    """Matches, then how the search ended. Raises BadPattern, SandboxBusy, FileNotFound, PathOutsideWorkspace."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    guest = await ports.fleet.guest(sandbox)
    async with aclosing(guest.files.search(order)) as frames:
        async for frame in frames:
            yield frame
