"""Terminals, as plain values."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


@dataclass(frozen=True)
class TerminalOrder:
    """Open this key, or follow it. A size of 0 by 0 leaves the choice to the sandbox."""

    terminal_id: str
    columns: int = 0
    rows: int = 0
    from_offset: int = 0
    attach_only: bool = False


@dataclass(frozen=True)
class TerminalStarted:
    """It is open."""

    attached: bool
    columns: int
    rows: int
    shown_bytes: int


@dataclass(frozen=True)
class TerminalOutput:
    """Bytes it shows."""

    offset: int
    data: bytes


class TerminalReason(Enum):
    """Why a terminal ended."""

    EXITED = "EXITED"
    CLOSED = "CLOSED"
    SANDBOX_LOST = "SANDBOX_LOST"


@dataclass(frozen=True)
class TerminalExit:
    """How a terminal ended. Neither `code` nor `signal` where that is not known."""

    reason: TerminalReason
    code: int | None = None
    signal: str = ""


TerminalFrame = TerminalStarted | TerminalOutput | TerminalExit


@dataclass(frozen=True)
class Typing:
    """What one writer types, counted from its first byte."""

    terminal_id: str
    writer_id: str
    offset: int
    data: bytes


@dataclass(frozen=True)
class TerminalView:
    """A terminal that is open."""

    terminal_id: str
    columns: int
    rows: int
    create_time: datetime
    followers: int
