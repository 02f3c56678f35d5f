"""What goes to a model and what comes back, without any provider's words."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias


@dataclass(frozen=True)
class ToolSpec:
    """A tool as the model is told about it. `parameters` is a JSON schema (draft 2020-12) of type object."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class ToolCall:
    """The model's wish to run a tool. `error` says why its arguments could not be read; then `args` is empty."""

    call_id: str
    name: str
    args: dict[str, Any]
    error: str = ""


@dataclass(frozen=True)
class UserTurn:
    """Words of the person (or of Lucid, where it tells the model something)."""

    text: str


@dataclass(frozen=True)
class AssistantTurn:
    """What the model wrote and the tools it called, in one answer."""

    text: str
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True)
class ToolResult:
    """What a tool call came to."""

    call_id: str
    text: str
    ok: bool = True


Turn: TypeAlias = UserTurn | AssistantTurn | ToolResult


@dataclass(frozen=True)
class ModelRequest:
    """One model call. `api_key`: the session's own key, instead of the installation's.

    `memo`: the same in all calls of a session; adapters keep in it what they would otherwise make again for each.
    """

    model: str
    system: str
    turns: tuple[Turn, ...]
    tools: tuple[ToolSpec, ...]
    session_id: str
    max_output_tokens: int = 16_000
    api_key: str = field(default="", repr=False)
    memo: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class TextPiece:
    """Some characters. `reasoning`: of the model's reasoning rather than its answer."""

    text: str
    reasoning: bool = False


@dataclass(frozen=True)
class CallPiece:
    """A complete tool call."""

    call: ToolCall


@dataclass(frozen=True)
class UsagePiece:
    """Tokens of the call; input_tokens are without those from the cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_micros: int = 0
    price_known: bool = False
    context_window: int = 0


@dataclass(frozen=True)
class StopPiece:
    """The model's stream has ended as it should. `cut`: at its token limit."""

    cut: bool = False


Piece: TypeAlias = TextPiece | CallPiece | UsagePiece | StopPiece


class FailureKind(Enum):
    """Classes of a model call's failure; they decide what is done about it."""

    AUTH = "auth"
    QUOTA = "quota"
    RATE_LIMIT = "rate_limit"
    CONTEXT = "context"
    CONFIG = "config"
    OVERLOAD = "overload"
    TRANSIENT = "transient"


@dataclass(eq=False)
class ModelFailure(Exception):
    """A model call that did not come to its end. `retry_after`: seconds, by the provider's own hint; 0 = none."""

    kind: FailureKind
    message: str
    retry_after: float = 0.0
    pieces_seen: bool = field(default=False)
