"""ListSandboxes."""

from services.sandbox.domain.models import SandboxView
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import view_of


async def list_sandboxes(ports: Ports, user_id: str | None, before: str, limit: int) -> tuple[list[SandboxView], str]:
    """A page of the caller's, the youngest first, and where the next one begins (empty: there is none)."""
    found = await ports.store.page(user_id, before, limit + 1)
    page = found[:limit]
    return [await view_of(ports, sandbox) for sandbox in page], page[-1].sandbox_id if len(found) > limit else ""
