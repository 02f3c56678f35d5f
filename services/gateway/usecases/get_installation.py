"""Tells what this installation can do."""

from dataclasses import dataclass

from services.gateway.ports import Ports

DEMO = "demo"


@dataclass(frozen=True)
class Installation:
    """What this installation can do. `default_model` is empty where it is not known now."""

    default_model: str
    demo_only: bool


async def get_installation(ports: Ports) -> Installation:
    """Asks sessions which models there are."""
    names = await ports.models.names()
    return Installation(
        default_model=names[0] if names else "", demo_only=bool(names) and all(name == DEMO for name in names)
    )
