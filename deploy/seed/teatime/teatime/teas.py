"""How long and how hot."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tea:
    """A kind of tea; `seconds` to steep, `celsius` of the water."""

    name: str
    seconds: int
    celsius: int


TEAS = {
    tea.name: tea
    for tea in (
        Tea("black", 240, 95),
        Tea("green", 150, 75),
        Tea("white", 180, 80),
        Tea("herbal", 420, 100),
    )
}


def find_tea(name):
    """The tea of that name, whatever its case. Raises KeyError."""
    return TEAS[name.strip().lower()]
