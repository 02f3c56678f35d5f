"""A session of 10,000 events, from nothing to caught up, beside reading its rows from the database (P7)."""

from collections.abc import Iterable

from joserfc import jws
from lucid.sessions.v1.event_pb2 import (
    CHANNEL_THOUGHT,
    SOURCE_AGENT,
    Event,
    TextCompleted,
    ToolCallCompleted,
    ToolCallStarted,
)

from services.rpc.ids import new_id
from services.sessions.domain.models import Change, Draft, SessionRecord, State
from services.sessions.store.database import open_database
from services.sessions.store.sql import SqlEventStore
from tests.benchmarks.ground import Ground
from tests.benchmarks.role import play
from tests.benchmarks.table import Row, from_samples

EVENTS, LAST = 10_000, 50
ROUNDS, TIMES = 3, 3
GROUP = 1000
# 3 × bare; the first screen's 20 ms have no bare figure, so it is told without a goal.
GOAL = 3.0


async def run(ground: Ground) -> list[Row]:
    session = await _write(ground)
    took: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for last in (0, LAST):
            for way in ("rows", "socket", "grpc"):
                seconds = await _replay(ground, session, way, last)
                took.setdefault((way, last), []).extend(second * 1e3 for second in seconds)
    against, everything, first_screen = "rows, SQLite", f"all {EVENTS:,} events", f"the last {LAST}"
    return [
        from_samples("P7", f"{everything} to the page", took["socket", 0], took["rows", 0], "ms", against, GOAL),
        from_samples("P7", f"{everything} over gRPC", took["grpc", 0], took["rows", 0], "ms", against, GOAL),
        from_samples("P7", f"{first_screen} to the page", took["socket", LAST], took["rows", LAST], "ms", against),
        from_samples("P7", f"{first_screen} over gRPC", took["grpc", LAST], took["rows", LAST], "ms", against),
    ]


async def _replay(ground: Ground, session: str, way: str, last: int) -> list[float]:
    result = await play(
        "replay", way=way, session=session, events=last or EVENTS, last=last, times=TIMES, token=ground.token,
        base_url=ground.product.base_url, rpc=ground.product.rpc["sessions"], database=_database(ground),
    )  # fmt: skip
    seconds: list[float] = result["seconds"]
    return seconds


def _database(ground: Ground) -> str:
    return str(ground.product.data_dir / "sessions.db")


async def _write(ground: Ground) -> str:
    """A finished session, put into the product's log by its own store."""
    store = SqlEventStore(open_database(f"sqlite:///{_database(ground)}"), _unseen, 5.0, lambda _: None)
    await store.start()
    try:
        owner = jws.extract_compact(ground.token.encode()).payload
        record = SessionRecord(
            new_id("ses"), _subject(owner), "A long one", "A long one", State.IDLE, "openai/bench", new_id("sbx")
        )
        await store.create(record, record.session_id, Change(drafts=tuple(_events(1))))
        for start in range(1, EVENTS, GROUP):
            drafts = tuple(_events(min(GROUP, EVENTS - start)))
            await store.apply(record.session_id, lambda _, drafts=drafts: Change(drafts=drafts))  # type: ignore[misc]
    finally:
        await store.stop()
    return record.session_id


def _subject(payload: bytes) -> str:
    import json

    return str(json.loads(payload)["sub"])


def _unseen(session_id: str, events: list[tuple[Event, bytes]]) -> None:
    """Nobody follows while it is written."""


def _events(number: int) -> Iterable[Draft]:
    """What a run is made of: texts, calls and results of about 500 bytes."""
    for index in range(number):
        item = new_id("itm")
        event = Event(item_id=item, turn_id="trn_1", source=SOURCE_AGENT)
        if index % 3 == 0:
            event.text_completed.CopyFrom(TextCompleted(channel=CHANNEL_THOUGHT, text="word " * 100))
        elif index % 3 == 1:
            event.tool_call_started.CopyFrom(ToolCallStarted(tool="run_command", title="make test"))
            event.tool_call_started.args.update({"command": "make test " * 50})
        else:
            event.tool_call_completed.CopyFrom(ToolCallCompleted(ok=True, result_text="line\n" * 100))
        yield Draft(event)
