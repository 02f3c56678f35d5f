"""How a session works: confirmations, budgets, fallback; pauses and wake-ups."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the columns."""
    for column in _columns():
        op.add_column("sessions", column)
    op.create_index("sessions_waking", "sessions", ["wake_at"])


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
        sa.Column("wake_at", sa.Float, nullable=False, server_default="0"),
    ]
