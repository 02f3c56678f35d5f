"""Reading a provider's server-sent events, with every way they can break made a ModelFailure."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from services.sessions.domain.conversation import FailureKind, ModelFailure

LARGEST_FRAME = 8 * 1024 * 1024
LARGEST_ARGUMENTS = 1024 * 1024
DEEPEST_ARGUMENTS = 30
NOT_A_STREAM = "The provider's address answers with something that is not a model's stream; check the base URL."
BROKEN = "The provider's stream broke off or is damaged."


@asynccontextmanager
async def posted(client: Any, path: str, content: bytes) -> AsyncGenerator[Any, None]:
    """The response to a body that is JSON already: past an official client's own conversion, which walks through every
    field of every message and finds nothing to convert. Its refusals are raised as ever."""
    # The clients' documented way to a response that is not read yet, for requests that they have no method for.
    options = {"headers": {"X-Stainless-Raw-Response": "stream", "Content-Type": "application/json"}}
    response = await client.post(path, cast_to=object, content=content, options=options, stream=True, stream_cls=None)
    try:
        yield response
    finally:
        await response.close()


@dataclass(frozen=True)
class ServerEvent:
    """One event of a stream. `data` as sent, lines joined."""

    name: str
    data: str


async def server_events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[ServerEvent, None]:
    """Cuts bytes into events (WHATWG HTML §9.2). Raises UnicodeDecodeError, ModelFailure for an endless one."""
    rest = b""
    name = ""
    data: list[str] = []
    async for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        if len(rest) > LARGEST_FRAME:
            raise ModelFailure(FailureKind.TRANSIENT, BROKEN, pieces_seen=True)
        for raw in lines:
            line = raw.rstrip(b"\r")
            if not line:
                if data:
                    yield ServerEvent(name, "\n".join(data))
                name, data = "", []
            elif line.startswith(b"data:"):
                data.append(line[5:].decode().removeprefix(" "))
            elif line.startswith(b"event:"):
                name = line[6:].decode().strip()
    if rest.startswith(b"data:"):
        data.append(rest[5:].decode().strip())
    if data:
        # Some servers leave out the empty line after their last event.
        yield ServerEvent(name, "\n".join(data))


def frame(event: ServerEvent) -> dict[str, Any]:
    """An event's JSON object. Raises ModelFailure for anything else."""
    try:
        value = json.loads(event.data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ModelFailure(FailureKind.TRANSIENT, BROKEN, pieces_seen=True)
    return value


def entries(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; nothing where the provider sent something else."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def objects(value: Any) -> dict[str, Any]:
    """An object; an empty one where the provider sent something else."""
    return value if isinstance(value, dict) else {}


def words(value: Any) -> str:
    """A text; an empty one where the provider sent something else."""
    return value if isinstance(value, str) else ""


def count(value: Any) -> int:
    """A number of tokens; 0 where the provider sent something else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32 else 0


def arguments(raw: str, *, cut: bool = False) -> tuple[dict[str, Any], str]:
    """A call's arguments, and why they cannot be read, if so."""
    if len(raw) > LARGEST_ARGUMENTS:
        return {}, f"The arguments are larger than {LARGEST_ARGUMENTS} characters. Do it in smaller parts."
    try:
        value = json.loads(raw or "{}", parse_int=_whole, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return {}, "The arguments hold characters that are not valid Unicode."
    except (ValueError, OverflowError, RecursionError):
        why = "they were cut at the length limit; do it in smaller parts" if cut else "they are not valid JSON"
        return {}, f"The arguments could not be read: {why}."
    if not isinstance(value, dict) or _depth(value) > DEEPEST_ARGUMENTS:
        return {}, "The arguments must be one JSON object of moderate depth."
    return value, ""


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _whole(digits: str) -> int:
    """Raises OverflowError for a number that the log, whose numbers are doubles, cannot hold."""
    float(value := int(digits))
    return value


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0
