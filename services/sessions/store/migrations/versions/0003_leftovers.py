"""What deleted sessions may have left behind: a sandbox, a gate."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "session_leftovers",
        sa.Column("session_id", sa.String(64), primary_key=True),
        sa.Column("owner_id", sa.String(128), nullable=False),
        sa.Column("sandbox_id", sa.String(64), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
    )
    op.create_index("session_leftovers_due", "session_leftovers", ["due_at"])


def downgrade() -> None:
    """Removes it."""
    op.drop_table("session_leftovers")
