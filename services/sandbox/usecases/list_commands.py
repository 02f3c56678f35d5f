"""ListCommands."""

from services.sandbox.domain.commands import CommandPage
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def list_commands(
    ports: Ports, user_id: str | None, sandbox_id: str, page_size: int, page_token: str, active_only: bool
) -> CommandPage:
    """Newest first. Raises SandboxNotFound, SandboxUnavailable."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    return await (await ports.fleet.guest(sandbox)).list_commands(page_size, page_token, active_only)
