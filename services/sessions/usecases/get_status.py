"""How busy the service is."""

from services.sessions.ports import Ports


async def get_status(ports: Ports) -> int:
    """Sessions of all owners whose agent works or waits for an answer."""
    return await ports.store.count_active()
