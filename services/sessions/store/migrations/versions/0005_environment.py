"""What a session's sandbox is made with."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds the column; sessions of before have nothing of their own."""
    op.add_column("sessions", sa.Column("environment", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    """Removes it."""
    op.drop_column("sessions", "environment")
