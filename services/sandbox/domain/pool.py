"""Sandboxes that are made beforehand, and those that wait for their start."""

from dataclasses import dataclass
from datetime import datetime

from services.sandbox.domain.models import Confinement


@dataclass(frozen=True)
class WarmSandbox:
    """One that nobody has yet. `recipe` tells all that it was made of, our helper's build too; `ready`: it may be
    claimed. It belongs to the services of one data folder, `instance`."""

    warm_id: str
    instance: str
    confinement: Confinement
    image: str
    recipe: str
    create_time: datetime
    ready: bool = False


@dataclass(frozen=True)
class PoolStatus:
    """Sandboxes that are made beforehand: how many there shall be, are, are being made, and were claimed from here."""

    size: int
    ready: int
    making: int
    claimed: int


@dataclass(frozen=True)
class StartsStatus:
    """Cold starts: how many are made, how many wait, and the two limits (0 = none)."""

    starting: int
    waiting: int
    at_once: int
    limit: int
