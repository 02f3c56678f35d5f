"""EditFile."""

from services.sandbox.domain.models import Edited, EditOrder
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def edit_file(ports: Ports, user_id: str | None, sandbox_id: str, order: EditOrder) -> Edited:
    """Applies an edit once for its key. Raises Fenced, EditNoMatch, EditAmbiguous, FileExists, and as ReadFile."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, order.epoch)
    return await (await ports.fleet.guest(sandbox)).edit_file(order)
