"""The calls that are under way over one connection to a helper."""

import asyncio
from collections.abc import Callable, ValuesView
from typing import TypeAlias

Answer: TypeAlias = tuple[int, bytes]
Answers: TypeAlias = asyncio.Queue[Answer | None]


class Calls:
    """By their stream. `on_end` is called at the end of each that is a use of the sandbox."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._open: dict[int, Answers] = {}
        self._uses: set[int] = set()
        self._on_end = on_end

    def open(self, stream: int, is_use: bool) -> Answers:
        """Begins one."""
        answers: Answers = asyncio.Queue()
        self._open[stream] = answers
        if is_use:
            self._uses.add(stream)
        return answers

    def get(self, stream: int) -> Answers | None:
        """Where its answers go; None if it has ended."""
        return self._open.get(stream)

    def pop(self, stream: int) -> None:
        """Ends one. Safe to repeat."""
        self._open.pop(stream, None)
        if stream in self._uses:
            self._uses.discard(stream)
            self._on_end()

    def values(self) -> ValuesView[Answers]:
        """All that wait for answers."""
        return self._open.values()
