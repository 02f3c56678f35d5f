"""How long and how much a caller may take."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Times in seconds. `refusals` in `window`: further ones are answered `slow` later, and told to nobody.

    `idle`: nothing moves in either direction. `total`: of one tunnel, whatever moves.
    """

    connections: int = 64
    head: float = 10.0
    hello: float = 10.0
    connect: float = 10.0
    idle: float = 600.0
    total: float = 4 * 3600.0
    refusals: int = 100
    window: float = 10.0
    slow: float = 0.5


DEFAULT = Limits()
