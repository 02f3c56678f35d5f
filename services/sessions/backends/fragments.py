"""A request's JSON in pieces that are kept: what was made for one request of a session is not made for its next one.

A conversation grows at its end. Without this, each step would convert and serialise everything said so far.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from services.sessions.domain.conversation import ModelRequest, Turn

JSON = {"content-type": "application/json"}


class Fragments:
    """The messages of one conversation, each as JSON. `joins`: whether a turn belongs into the message of the one
    before it; `render`: the message of some turns."""

    def __init__(self, joins: Callable[[Turn, Turn], bool], render: Callable[[Sequence[Turn]], Any]) -> None:
        self._joins = joins
        self._render = render
        self._turns: tuple[Turn, ...] = ()
        self._ends: list[int] = []
        self._messages: list[bytes] = []
        self._constant: tuple[Any, bytes] = (None, b"")

    @classmethod
    def of(
        cls,
        request: ModelRequest,
        key: str,
        joins: Callable[[Turn, Turn], bool],
        render: Callable[[Sequence[Turn]], Any],
    ) -> "Fragments":
        """Those of the request's session, for one adapter."""
        if key not in request.memo:
            request.memo[key] = cls(joins, render)
        kept: Fragments = request.memo[key]
        return kept

    def messages(self, turns: tuple[Turn, ...]) -> list[bytes]:
        """All messages; only those are made that stand behind the first turn that was not there before."""
        same = _same(self._turns, turns)
        # The message that ends there may go on.
        while self._ends and self._ends[-1] >= same:
            self._ends.pop()
            self._messages.pop()
        begin = self._ends[-1] if self._ends else 0
        for place in range(begin + 1, len(turns) + 1):
            if place == len(turns) or not self._joins(turns[place - 1], turns[place]):
                self._messages.append(to_json(self._render(turns[begin:place])))
                self._ends.append(place)
                begin = place
        self._turns = turns
        return self._messages

    def constant(self, value: Any, make: Callable[[], Any]) -> bytes:
        """JSON of what is the same in every request."""
        if self._constant[0] != value:
            self._constant = (value, to_json(make()))
        return self._constant[1]


def body(fields: dict[str, Any], **ready: bytes) -> bytes:
    """An object of some fields and of some whose JSON is made already."""
    parts = b"".join(b',"%s":%s' % (name.encode(), value) for name, value in ready.items())
    return to_json(fields)[:-1] + parts + b"}"


def array(messages: Sequence[bytes]) -> bytes:
    """A JSON array."""
    return b"[" + b",".join(messages) + b"]"


def to_json(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _same(before: tuple[Turn, ...], now: tuple[Turn, ...]) -> int:
    """How many turns are the same at the beginning; compared by identity first, so that a long one costs nothing."""
    length = min(len(before), len(now))
    if before[:length] == now[:length]:
        return length
    return next(place for place in range(length) if before[place] != now[place])
