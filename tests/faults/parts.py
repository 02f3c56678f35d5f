"""The service's own parts with points before and after what they do, and a record of what they did as whose owner."""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from lucid.sessions.v1.event_pb2 import SOURCE_USER, Event, PullRequestChanged, QueueChanged, StatusChanged

from services.rpc.ids import new_id
from services.sessions.backends.integrations import IntegrationsForge
from services.sessions.backends.models import ConfiguredModels
from services.sessions.backends.sandbox import SandboxWorkspace
from services.sessions.domain.conversation import ModelRequest, Piece
from services.sessions.domain.models import Change, Lease, Request, SessionRecord
from services.sessions.domain.work import CommandBegun, CommandEnded, CommandFrame, CommandOutput, Confinement, Gate
from services.sessions.ports import LanguageModel, Transition
from services.sessions.server import Parts
from services.sessions.store.sql import SqlEventStore
from tests.faults.points import Points
from tests.faults.records import Records

MID_ANSWER = 2
_NAMED = {
    "tool_call_started": "call",
    "tool_call_completed": "result",
    "command_started": "command-start",
    "command_completed": "command-end",
    "turn_started": "turn-start",
    "turn_completed": "turn-end",
    "approval_requested": "question",
    "approval_resolved": "decision",
    "text_started": "text",
}


def name_of(change: Change) -> str:
    """What a change to a session is about, in one word; empty if it is about nothing that has a point."""
    names = [name for draft in change.drafts if (name := _name(draft.event))]
    # One append holds a step's results and its events; the turn's and the queue's moves say more than they.
    for first in ("message", "taken", "stop", "turn-end", "turn-start", "result", "call"):
        if first in names:
            return first
    return names[0] if names else ""


def _name(event: Event) -> str:
    kind = event.WhichOneof("payload") or ""
    if kind == "user_message" and event.user_message.delivery != event.user_message.DELIVERY_QUEUED:
        return "message" if event.source == SOURCE_USER else ""
    if kind == "queue_changed":
        return {QueueChanged.CHANGE_ADDED: "message", QueueChanged.CHANGE_TAKEN: "taken"}.get(
            event.queue_changed.change, "queue"
        )
    if kind == "status_changed":
        return "stop" if event.status_changed.phase == StatusChanged.PHASE_STOPPING else ""
    return _NAMED.get(kind, "")


def parts(points: Points, records: Records, sabotage: str) -> Parts:
    """`sabotage`: `fence` for a build whose leases mean nothing, `keys` for one whose keys do not."""

    class Store(SqlEventStore):
        async def create(self, record: SessionRecord, request_id: str, change: Change) -> SessionRecord:
            await points.reach("create", record.session_id)
            stored = await super().create(record, request_id, change)
            await points.reach("created", stored.session_id)
            return stored

        async def apply(self, session_id: str, transition: Transition, lease: Lease | None = None) -> list[Event]:
            seen, released, head = "", False, 0

            def watched(row: SessionRecord) -> Change:
                nonlocal seen, released, head
                head = row.seq
                change = transition(row)
                seen, released = name_of(change), change.release_lease
                if seen:
                    points.reach_now(f"storing-{seen}", session_id)
                return _unkeyed(change) if sabotage == "keys" else change

            fence = None if sabotage == "fence" else lease
            stored = await super().apply(session_id, watched, fence)
            if lease is not None:
                # What is asked for again under its key is answered with what an owner before has written.
                seqs = [event.seq for event in stored if event.seq > head]
                records.write("append", session=session_id, lease=lease.epoch, seqs=seqs)
                if released:
                    records.write("release", session=session_id, lease=lease.epoch)
            if seen:
                await points.reach(f"stored-{seen}", session_id)
            return stored

        async def claim(self, worker: str, limit: int, held: Collection[str] = ()) -> list[SessionRecord]:
            await points.reach("claim")
            claimed = await super().claim(worker, limit, held)
            for record in claimed:
                records.write("claim", session=record.session_id, lease=record.lease_epoch)
            for record in claimed:
                await points.reach("claimed", record.session_id)
            return claimed

        async def renew(self, worker: str, session_ids: Sequence[str]) -> dict[str, Request]:
            for session_id in session_ids:
                await points.reach("renew", session_id)
            renewed = await super().renew(worker, session_ids)
            if sabotage == "fence":
                return {session_id: renewed.get(session_id, Request.NOTHING) for session_id in session_ids}
            return renewed

        async def save_progress(self, items: Mapping[tuple[str, str, int], bytes]) -> None:
            for session_id in {session_id for session_id, _, _ in items}:
                await points.reach("checkpoint", session_id)
            await super().save_progress(items)

    class Workspace(SandboxWorkspace):
        async def create(self, record: SessionRecord, gate: Gate | None) -> Confinement:
            await points.reach("sandbox-create", record.session_id)
            made = await super().create(_as_owner(record), gate)
            await points.reach("sandbox-created", record.session_id)
            return made

        async def run(
            self,
            record: SessionRecord,
            key: str,
            command: str,
            timeout_ms: int,
            cwd: str = "",
            background: bool = False,
        ) -> AsyncGenerator[CommandFrame, None]:
            session, shown = record.session_id, False
            await points.reach("command", session)
            key = new_id("itm") if sabotage == "keys" else key
            async with aclosing(super().run(_as_owner(record), key, command, timeout_ms, cwd, background)) as frames:
                async for frame in frames:
                    if isinstance(frame, CommandBegun):
                        records.write("run", session=session, lease=record.lease_epoch, attached=frame.attached)
                        await points.reach("command-begun", session)
                    elif isinstance(frame, CommandEnded):
                        await points.reach("command-ended", session)
                    elif isinstance(frame, CommandOutput) and not shown and b"tick" in frame.data:
                        shown = True
                        await points.reach("command-output", session)
                    yield frame

        async def stop(self, record: SessionRecord, key: str) -> None:
            await points.reach("command-stop", record.session_id)
            await super().stop(record, key)

        async def snapshot(self, record: SessionRecord, path: str, since: str, base: str = "") -> Any:
            await points.reach("snapshot", record.session_id)
            return await super().snapshot(_as_owner(record), path, since, base)

    class Forge(IntegrationsForge):
        async def open_gate(self, record: SessionRecord) -> Gate:
            await points.reach("gate", record.session_id)
            return await super().open_gate(_as_owner(record))

        async def open_pull_request(self, record: SessionRecord, key: str, *wanted: Any) -> PullRequestChanged:
            await points.reach("pull-request", record.session_id)
            key = f"{key}:{new_id('itm')}" if sabotage == "keys" else key
            opened = await super().open_pull_request(_as_owner(record), key, *wanted)
            await points.reach("pull-request-opened", record.session_id)
            return opened

    def _as_owner(record: SessionRecord) -> SessionRecord:
        return replace(record, lease_epoch=2**31 - 1) if sabotage == "fence" else record

    class Models(ConfiguredModels):
        def open(self, model: str) -> LanguageModel:
            return _Model(super().open(model), points)

    return Parts(store=Store, models=Models, workspace=Workspace, forge=Forge)


def _unkeyed(change: Change) -> Change:
    return replace(change, drafts=tuple(replace(draft, key="") for draft in change.drafts))


class _Model:
    """A model with points before, within and after its answer."""

    def __init__(self, model: LanguageModel, points: Points) -> None:
        self._model = model
        self._points = points

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(self._model, name)  # type: ignore[no-any-return]

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        session, number = request.session_id, 0
        await self._points.reach("model", session)
        async with aclosing(self._model.stream(request)) as pieces:
            async for piece in pieces:
                number += 1
                if number == MID_ANSWER:
                    await self._points.reach("model-answering", session)
                yield piece
        await self._points.reach("model-answered", session)
