"""Wakes watchers, at most so many a second in all.

Below that rate each is woken at once. Beyond it what comes meanwhile reaches each of them together: a thousand watchers
of one session, or a hundred sessions that speak at once, then cost a wake-up per bundle and not per token.
"""

import asyncio
from collections.abc import Collection
from typing import Protocol

WAKES_PER_SECOND = 5000.0
LONGEST_SECONDS = 0.2


class Sleeper(Protocol):
    """Somebody to wake."""

    wake: asyncio.Event


class Waking:
    """One for all sessions of a process; to be used on its loop."""

    def __init__(self) -> None:
        self._waiting: set[Sleeper] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._earliest = 0.0

    def wake(self, sleepers: Collection[Sleeper]) -> None:
        """Wakes them, at once or with the next bundle."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            now = loop.time()
            if now >= self._earliest:
                self._now(sleepers, now)
                return
            self._timer = loop.call_at(self._earliest, self._ring)
        self._waiting.update(sleepers)

    def _ring(self) -> None:
        due, self._waiting, self._timer = self._waiting, set(), None
        self._now(due, asyncio.get_running_loop().time())

    def _now(self, sleepers: Collection[Sleeper], now: float) -> None:
        for sleeper in sleepers:
            sleeper.wake.set()
        self._earliest = now + min(len(sleepers) / WAKES_PER_SECOND, LONGEST_SECONDS)
