"""What a sandbox may reach, as it was decided when it was made."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; sandboxes that are there have no network."""
    op.add_column("sandboxes", sa.Column("network", sa.JSON))


def downgrade() -> None:
    """Drops it."""
    op.drop_column("sandboxes", "network")
