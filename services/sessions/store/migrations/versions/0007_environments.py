"""What people have set for their sessions on a repository."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "repository_environments",
        sa.Column("owner_id", sa.String(128), primary_key=True),
        sa.Column("provider", sa.String(32), primary_key=True),
        sa.Column("full_name", sa.String(512), primary_key=True),
        sa.Column("environment", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Removes it."""
    op.drop_table("repository_environments")
