"""ListTransitions."""

from services.sandbox.domain.lifecycle import Transition
from services.sandbox.ports import Ports

DEFAULT, MOST = 200, 1000


async def list_transitions(ports: Ports, after: int, limit: int) -> tuple[list[Transition], int]:
    """Those with a higher number, in order, and the highest number of all."""
    return await ports.lives.transitions(after, min(limit or DEFAULT, MOST))
