"""Sandboxes that are made beforehand, and which of them a sandbox was."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table and the column."""
    op.add_column("sandboxes", sa.Column("warm_id", sa.String(64), nullable=False, server_default=""))
    op.create_index("sandboxes_of_owner", "sandboxes", ["owner_id", "sandbox_id"])
    op.create_table(
        "warm_sandboxes",
        sa.Column("warm_id", sa.String(64), primary_key=True),
        sa.Column("instance", sa.String(64), nullable=False),
        sa.Column("confinement", sa.String(20), nullable=False),
        sa.Column("image", sa.String(300), nullable=False),
        sa.Column("recipe", sa.String(64), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    """Drops them."""
    op.drop_table("warm_sandboxes")
    op.drop_index("sandboxes_of_owner", "sandboxes")
    op.drop_column("sandboxes", "warm_id")
