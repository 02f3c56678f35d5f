"""What a tool is: its description for the model, one line for people, and the function that runs it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lucid.sessions.v1.event_pb2 import PullRequestChanged

from services.sessions.agent.journal import Journal
from services.sessions.domain.conversation import ToolSpec
from services.sessions.domain.models import Draft


@dataclass(frozen=True)
class ToolRun:
    """One call of a tool. `item_id` is its key: running it again does nothing twice.

    `resumed`: an earlier run of the same call may have got as far as anywhere.
    """

    journal: Journal
    item_id: str
    args: Mapping[str, Any]
    resumed: bool = False


@dataclass(frozen=True)
class ToolAnswer:
    """What a call came to. `drafts` are stored in one transaction with it."""

    text: str
    ok: bool = True
    drafts: tuple[Draft, ...] = ()
    result: dict[str, Any] = field(default_factory=dict)
    pull_request: PullRequestChanged | None = None


@dataclass(frozen=True)
class Tool:
    """`run` answers None where the call stays open because a person has to answer. Raises ToolFailure, BadArgument
    (both for the model) and ConnectionError (to be tried again)."""

    spec: ToolSpec
    title: Callable[[Mapping[str, Any]], str]
    run: Callable[[ToolRun], Awaitable[ToolAnswer | None]]


def parameters(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """A JSON schema of type object."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def clip(text: str, limit: int) -> str:
    """The text, or its head and tail with a mark of what was left out between them."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"


def one_line(text: str, limit: int = 120) -> str:
    """The first line of a text for a card's title."""
    first = text.strip().split("\n", 1)[0].strip()
    return first if len(first) <= limit else first[: limit - 1] + "…"
