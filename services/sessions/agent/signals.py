"""What this process's runner is told at once."""

import asyncio
from collections.abc import Callable


class LocalSignals:
    """The Signals port within one process; other processes find out by their polls."""

    def __init__(self) -> None:
        self.work = asyncio.Event()
        self.on_stop: Callable[[str], None] = lambda _: None
        self.on_pause: Callable[[str], None] = lambda _: None
        self.on_deleted: Callable[[str], None] = lambda _: None

    def wanted(self) -> None:
        """A session has work to do."""
        self.work.set()

    def stop(self, session_id: str) -> None:
        """A stop was requested."""
        self.on_stop(session_id)

    def pause(self, session_id: str) -> None:
        """A pause was requested."""
        self.on_pause(session_id)

    def deleted(self, session_id: str) -> None:
        """The session is gone."""
        self.on_deleted(session_id)
