"""People and their sign-ins."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes both tables."""
    op.create_table(
        "gateway_users",
        sa.Column("user_id", sa.String(64), primary_key=True),
        sa.Column("email", sa.String(320), nullable=False, unique=True),
        sa.Column("name", sa.String(320), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    user = sa.ForeignKey("gateway_users.user_id", ondelete="CASCADE")
    op.create_table(
        "gateway_sign_ins",
        sa.Column("secret_hash", sa.String(64), primary_key=True),
        sa.Column("user_id", sa.String(64), user, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("gateway_sign_ins_user", "gateway_sign_ins", ["user_id"])
    op.create_index("gateway_sign_ins_expires", "gateway_sign_ins", ["expires_at"])


def downgrade() -> None:
    """Drops both."""
    op.drop_table("gateway_sign_ins")
    op.drop_table("gateway_users")
