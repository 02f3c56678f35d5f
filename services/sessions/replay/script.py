"""Where a replay stands: the first recorded event that the new log does not have yet."""

import asyncio
from collections.abc import Iterator

from lucid.sessions.v1.event_pb2 import Event

from services.sessions.replay.recording import is_stop


class NotRecorded(Exception):
    """The agent wants something that the recording does not have here."""


class Script:
    """Where the replay stands. `hanging`: something was begun that only a person's stop has ended."""

    def __init__(self, events: tuple[Event, ...]) -> None:
        self.events = events
        self.head = 0
        self.hanging = asyncio.Event()

    def ahead(self) -> Iterator[Event]:
        """What comes next."""
        return iter(self.events[self.head :])

    def next_of(self, kind: str) -> Event | None:
        """The next event of a kind."""
        return next((event for event in self.ahead() if event.WhichOneof("payload") == kind), None)

    def result_of_call(self) -> Event | None:
        """The result of the tool call that is being run."""
        return self.next_of("tool_call_completed")

    def stops_before(self, end: Event) -> bool:
        """Whether a person's stop comes first."""
        for event in self.ahead():
            if event is end:
                return False
            if is_stop(event):
                return True
        return False

    async def hang(self) -> None:
        """Until it is cancelled."""
        self.hanging.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.hanging.clear()
