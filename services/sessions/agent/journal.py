"""The running session's hold on its log: appends under the lease, folds what is stored, streams what is in progress."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from lucid.sessions.v1.event_pb2 import (
    SOURCE_AGENT,
    SOURCE_SYSTEM,
    Channel,
    Event,
    TextCompleted,
    TextStarted,
)

from services.rpc.ids import new_id
from services.sessions.agent.context import Context
from services.sessions.agent.prompt import opening
from services.sessions.agent.repetition import Repetition
from services.sessions.domain.models import Change, Draft, Lease, Policy, SessionRecord
from services.sessions.domain.state import SessionState
from services.sessions.ports import Ports

PAGE = 500


class Journal:
    """One owner's view of one log. `state`, `context` and `repetition` always stand at the last event stored or read.

    `pausing`: the person wants a pause; what runs comes to its end, `in_model_call` excepted.
    `workdir`: the repository's folder, relative to the workspace; empty for a session without a repository.
    `memo`: what model adapters keep from one call to the next.
    """

    def __init__(self, ports: Ports, record: SessionRecord) -> None:
        self.ports = ports
        self.record = record
        self.lease = Lease(record.session_id, record.lease_epoch)
        self.state = SessionState()
        self.context = Context(partial(opening, record))
        self.repetition = Repetition()
        self.workdir = ""
        self.memo: dict[str, Any] = {}
        self.pausing = record.pause_requested
        self.in_model_call = False
        self._ground: asyncio.Task[None] | None = None

    def meanwhile(self, doing: Coroutine[Any, Any, None]) -> None:
        """Begins what the model's call need not wait for, but the first event of its answer does; see `ground`."""
        self._ground = asyncio.create_task(doing)

    async def ground(self) -> None:
        """Returns when that is done; from then on it costs nothing. Raises what it has raised."""
        if self._ground is not None:
            await asyncio.shield(self._ground)
            self._ground = None

    async def leave(self) -> None:
        """Ends what goes on meanwhile: nobody waits for it any more."""
        if self._ground is not None:
            self._ground.cancel()
            await asyncio.gather(self._ground, return_exceptions=True)
            self._ground = None

    @property
    def session_id(self) -> str:
        """Whose log."""
        return self.record.session_id

    @property
    def policy(self) -> Policy:
        """How the session works by now."""
        return self.state.configured or self.record.policy

    async def load(self) -> None:
        """Folds everything stored since the last fold, also what others have appended."""
        while True:
            rows = await self.ports.store.read(self.session_id, self.state.seq, 2**32 - 1, PAGE)
            for _, data in rows:
                self._fold(Event.FromString(data))
            if len(rows) < PAGE:
                return

    async def settle(self) -> None:
        """Folds also what a cancelled append had sent on its way: nothing overtakes it in the writer's order."""
        await self.transition(lambda _: Change())
        await self.load()

    async def append(self, *drafts: Draft) -> list[Event]:
        """Stores events under the lease and folds them. Raises Fenced once another owner has taken over."""
        return await self.transition(lambda _: Change(drafts=drafts))

    async def transition(self, decide: Callable[[SessionRecord], Change]) -> list[Event]:
        """As append, for changes that need the row as it is in the storing transaction."""
        events = await self.ports.store.apply(self.session_id, decide, self.lease)
        for event in events:
            if event.seq <= self.state.seq:
                continue
            if event.seq != self.state.seq + 1:
                await self.load()
                continue
            self._fold(event)
        return events

    def draft(
        self, *, key: str = "", item_id: str = "", parent: str = "", system: bool = False, **payload: object
    ) -> Draft:
        """An event of the running turn, e.g. draft(item_id=…, text_started=TextStarted(…))."""
        event = Event(
            turn_id=self.state.turn_id,
            item_id=item_id,
            parent_item_id=parent,
            source=SOURCE_SYSTEM if system else SOURCE_AGENT,
            **payload,  # type: ignore[arg-type]
        )
        return Draft(event, key)

    async def open_text(self, channel: Channel.ValueType) -> "TextItem":
        """Begins a text item; its started event is durable before its first byte is shown."""
        item = TextItem(self, new_id("itm"), channel)
        self.ports.live.open(self.session_id, item.item_id, channel)
        await self.append(self.draft(item_id=item.item_id, text_started=TextStarted(channel=channel)))
        return item

    def _fold(self, event: Event) -> None:
        self.state.apply(event)
        self.context.apply(event)
        self.repetition.apply(event)


class TextItem:
    """A text that the model is writing."""

    def __init__(self, journal: Journal, item_id: str, channel: Channel.ValueType) -> None:
        self.item_id = item_id
        self.channel = channel
        self._journal = journal
        self._parts: list[str] = []
        self._length = 0

    @property
    def text(self) -> str:
        """Everything written so far."""
        return "".join(self._parts)

    def write(self, text: str) -> None:
        """Shows more of it to the watchers, token by token."""
        data = text.encode(errors="replace")
        self._parts.append(text)
        self._journal.ports.live.write(self._journal.session_id, self.item_id, self.channel, self._length, data)
        self._length += len(data)

    def completed(
        self, channel: Channel.ValueType | None = None, *, interrupted: bool = False, reset: bool = False
    ) -> Draft:
        """The event that ends the item; the caller stores it together with what belongs to it."""
        payload = TextCompleted(
            channel=self.channel if channel is None else channel, text=self.text, interrupted=interrupted, reset=reset
        )
        return self._journal.draft(item_id=self.item_id, key=f"{self.item_id}:completed", text_completed=payload)
