"""ListImages."""

from services.sandbox.ports import Ports


async def list_images(ports: Ports) -> tuple[str, ...]:
    """Those that may be asked for, the default first. Raises NoConfinement."""
    return ports.fleet.images(await ports.fleet.confinement())
