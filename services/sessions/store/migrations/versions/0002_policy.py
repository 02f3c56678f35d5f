"""How a session works: confirmations, budgets, fallback; pauses, wake-ups and what waits."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from lucid.sessions.v1.event_pb2 import Event

from services.sessions.store.rows import followed_row

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the columns."""
    for column in _columns():
        op.add_column("sessions", column)
    op.create_index("sessions_waking", "sessions", ["wake_at"])
    _keep_what_waits()


def _keep_what_waits() -> None:
    """What waits was read from the whole log at each call before."""
    database = op.get_bind()
    log = sa.text("SELECT data FROM session_events WHERE session_id = :session ORDER BY seq")
    keep = sa.text("UPDATE sessions SET waiting = :waiting WHERE session_id = :session")
    for session in database.execute(sa.text("SELECT session_id FROM sessions")).scalars().all():
        row = {"waiting": ""}
        for data in database.execute(log, {"session": session}).scalars():
            followed_row(row, Event.FromString(data))
        if row["waiting"]:
            database.execute(keep, {"waiting": row["waiting"], "session": session})


def downgrade() -> None:
    """Removes them."""
    op.drop_index("sessions_waking", "sessions")
    for column in reversed(_columns()):
        op.drop_column("sessions", column.name)


def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("title_by_user", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("confirmation", sa.Integer, nullable=False, server_default="0"),
        sa.Column("budget_cost_micros", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("budget_steps", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("budget_seconds", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("fallback_model", sa.String(255), nullable=False, server_default=""),
        sa.Column("pause_requested", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("waiting", sa.Text, nullable=False, server_default=""),
        sa.Column("wake_at", sa.Float, nullable=False, server_default="0"),
    ]
