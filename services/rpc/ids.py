"""Opaque ids, typed by their prefix."""

from ulid import ULID


def new_id(prefix: str) -> str:
    """`prefix_` and a ULID (26 characters, sorts by time), e.g. new_id("ses")."""
    return f"{prefix}_{ULID()}"


def new_ulid() -> str:
    """A bare ULID."""
    return str(ULID())
