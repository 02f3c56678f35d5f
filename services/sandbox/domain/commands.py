"""Commands that were started, and what is done to them, as plain values."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from services.sandbox.domain.models import Exit


class CommandState(Enum):
    """What a command does now."""

    RUNNING = "RUNNING"
    LEFT_RUNNING = "LEFT_RUNNING"
    ENDED = "ENDED"


@dataclass(frozen=True)
class CommandView:
    """A command as it is now. `exit` has no head and no tail; `start_time` is None where it was not recorded."""

    command_id: str
    command: str
    cwd: str
    state: CommandState
    background: bool
    start_time: datetime | None
    exit: Exit | None
    total_bytes: int
    processes: int


@dataclass(frozen=True)
class CommandPage:
    """Commands, newest first. `next_token`: empty at the end."""

    commands: tuple[CommandView, ...]
    next_token: str


@dataclass(frozen=True)
class LogQuery:
    """Which part of a command's output; `last_bytes` goes before `offset`. `wait` in seconds."""

    command_id: str
    offset: int = 0
    limit: int = 0
    last_bytes: int = 0
    wait: float = 0.0


@dataclass(frozen=True)
class LogPart:
    """Kept output from `offset` on. Of `total_bytes` the log holds all but those from `head_end` to `tail_start`."""

    data: bytes
    offset: int
    total_bytes: int
    head_end: int
    tail_start: int
    command: CommandView


@dataclass(frozen=True)
class InputOrder:
    """Bytes for a standard input, counted from its first."""

    command_id: str
    offset: int
    data: bytes
    epoch: int


@dataclass(frozen=True)
class SignalOrder:
    """A signal, such as INT, once per request."""

    command_id: str
    request_id: str
    signal: str
    epoch: int
