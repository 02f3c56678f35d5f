"""At the start of the service: what nobody knows any more is removed."""

from services.sandbox.ports import Ports


async def reconcile(ports: Ports) -> list[str]:
    """Removes containers, volumes and folders of this instance that have no row. Another instance's are not touched."""
    return await ports.fleet.remove_orphans(await ports.store.ids())
