"""How far a session's network goes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds the column; sessions that are there keep what their sandboxes have."""
    op.add_column("sessions", sa.Column("network", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    """Removes it."""
    op.drop_column("sessions", "network")
