"""A database of the first version, with messages that wait, is brought to the newest one."""

from typing import Any

from alembic import command
from alembic.config import Config
from lucid.sessions.v1.event_pb2 import ApprovalRequested, Event, QueueChanged, UserMessage
from sqlalchemy import Connection, text

from services.sessions.domain.waiting import Asked, Queued
from services.sessions.store.database import open_database
from services.sessions.store.migrating import MIGRATIONS, VERSION_TABLE
from services.sessions.store.sql import SqlEventStore
from tests.service.sessions.owners import ME

ADDED, CANCELLED = QueueChanged.CHANGE_ADDED, QueueChanged.CHANGE_CANCELLED
LOG = [
    Event(user_message=UserMessage(text="mend it")),
    Event(queue_changed=QueueChanged(queue_item_id="a", change=ADDED, order=["a"], text="one")),
    Event(queue_changed=QueueChanged(queue_item_id="b", change=ADDED, order=["a", "b"], text="two")),
    Event(queue_changed=QueueChanged(queue_item_id="a", change=CANCELLED, order=["b"])),
    Event(approval_requested=ApprovalRequested(request_id="q", about_item_id="itm")),
]


def first_version(connection: Connection) -> None:
    connection.exec_driver_sql("SELECT 1")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    command.upgrade(config, "0001")
    row: dict[str, Any] = {
        "session_id": "ses_1",
        "owner_id": ME,
        "request_id": "r",
        "title": "t",
        "task": "mend it",
        "state": 2,
        "model": "demo",
        "sandbox_id": "sbx_1",
        "turn_open": True,
        "seq": len(LOG),
        "last_hash": b"",
        "log_epoch": 1,
        "wanted": False,
        "stop_requested": False,
        "lease_owner": "",
        "lease_epoch": 1,
        "lease_until": 0.0,
        "create_time": 1.0,
        "update_time": 1.0,
    }
    names = ", ".join(row)
    connection.execute(text(f"INSERT INTO sessions ({names}) VALUES (:{', :'.join(row)})"), row)
    insert = text("INSERT INTO session_events (session_id, seq, data) VALUES ('ses_1', :seq, :data)")
    for seq, event in enumerate(LOG, 1):
        event.seq = seq
        connection.execute(insert, {"seq": seq, "data": event.SerializeToString()})


async def test_what_waits_is_kept(database_url: str) -> None:
    database = open_database(database_url)
    await database.write(first_version)
    await database.dispose()
    store = SqlEventStore(open_database(database_url), lambda *_: None, 5.0, lambda _: None)
    await store.start()
    try:
        waiting = (await store.get("ses_1")).waiting
    finally:
        await store.stop()
    assert waiting.queue == (Queued("b", steer=False, text_seq=3),)
    assert waiting.asked == (Asked("q", "itm"),)
