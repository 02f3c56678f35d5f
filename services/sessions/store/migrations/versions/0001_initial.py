"""Sessions, their events, and the progress of open items."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.String(64), primary_key=True),
        sa.Column("owner_id", sa.String(128), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("sandbox_id", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(32)),
        sa.Column("repo_full_name", sa.String(512), nullable=False, server_default=""),
        sa.Column("repo_url", sa.Text, nullable=False, server_default=""),
        sa.Column("base_branch", sa.String(255), nullable=False, server_default=""),
        sa.Column("project_id", sa.String(255), nullable=False, server_default=""),
        sa.Column("confinement", sa.String(32), nullable=False, server_default=""),
        sa.Column("git_user_name", sa.String(255), nullable=False, server_default=""),
        sa.Column("git_user_email", sa.String(400), nullable=False, server_default=""),
        sa.Column("model_key_sealed", sa.Text, nullable=False, server_default=""),
        sa.Column("pull_request", sa.LargeBinary),
        sa.Column("turn_open", sa.Boolean, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("last_hash", sa.LargeBinary, nullable=False),
        sa.Column("log_epoch", sa.Integer, nullable=False),
        sa.Column("wanted", sa.Boolean, nullable=False),
        sa.Column("stop_requested", sa.Boolean, nullable=False),
        sa.Column("lease_owner", sa.String(64), nullable=False),
        sa.Column("lease_epoch", sa.Integer, nullable=False),
        sa.Column("lease_until", sa.Float, nullable=False),
        sa.Column("create_time", sa.Float, nullable=False),
        sa.Column("update_time", sa.Float, nullable=False),
        sa.UniqueConstraint("owner_id", "request_id", name="sessions_request"),
    )
    op.create_index("sessions_by_owner", "sessions", ["owner_id", "update_time"])
    op.create_index("sessions_wanted", "sessions", ["wanted", "lease_until"])
    op.create_table(
        "session_events",
        sa.Column(
            "session_id", sa.String(64), sa.ForeignKey("sessions.session_id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(255)),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("session_id", "key", name="session_events_key"),
    )
    op.create_table(
        "session_progress",
        sa.Column(
            "session_id", sa.String(64), sa.ForeignKey("sessions.session_id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("item_id", sa.String(64), primary_key=True),
        sa.Column("channel", sa.Integer, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Removes them."""
    op.drop_table("session_progress")
    op.drop_table("session_events")
    op.drop_table("sessions")
