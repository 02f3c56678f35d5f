"""What becomes of sandboxes: how far they were put away, what happened to them, what was saved of their work."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns, makes the tables. What was there before was last used now, as far as is known."""
    op.add_column("sandboxes", sa.Column("life", sa.String(20), nullable=False, server_default="new"))
    op.add_column("sandboxes", sa.Column("last_use", sa.DateTime(timezone=True)))
    op.add_column("sandboxes", sa.Column("warned", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("sandboxes", sa.Column("workspace_id", sa.String(64), nullable=False, server_default=""))
    op.create_index("sandboxes_of_body", "sandboxes", ["warm_id"])
    op.create_table(
        "sandbox_transitions",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("transition_id", sa.String(64), nullable=False),
        sa.Column("sandbox_id", sa.String(64), nullable=False),
        sa.Column("session_id", sa.String(100), nullable=False),
        sa.Column("owner_id", sa.String(100), nullable=False),
        sa.Column("image", sa.String(300), nullable=False),
        sa.Column("confinement", sa.String(20), nullable=False),
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told", sa.JSON, nullable=False),
    )
    op.create_index("sandbox_transitions_of", "sandbox_transitions", ["sandbox_id", "number"])
    op.create_table(
        "sandbox_checkpoints",
        sa.Column("checkpoint_id", sa.String(64), primary_key=True),
        sa.Column("sandbox_id", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(100), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )
    op.create_index("sandbox_checkpoints_of", "sandbox_checkpoints", ["sandbox_id", "checkpoint_id"])


def downgrade() -> None:
    """Takes them away again."""
    op.drop_table("sandbox_checkpoints")
    op.drop_table("sandbox_transitions")
    op.drop_index("sandboxes_of_body", "sandboxes")
    for name in ("workspace_id", "warned", "last_use", "life"):
        op.drop_column("sandboxes", name)
