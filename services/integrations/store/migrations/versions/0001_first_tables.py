"""Connections, gates, pushes, the outbox and local pull requests."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_OPEN = sa.text("state = 'open'")


def _text(name: str, size: int) -> "sa.Column[str]":
    return sa.Column(name, sa.String(size), nullable=False)


def upgrade() -> None:
    """Makes the tables."""
    _connections()
    _gates()
    _outbox()
    _pull_requests()


def _connections() -> None:
    op.create_table(
        "connections",
        sa.Column("connection_id", sa.String(64), primary_key=True),
        _text("user_id", 100),
        _text("provider", 20),
        _text("label", 200),
        _text("username", 200),
        sa.Column("scopes", sa.Text, nullable=False),
        _text("token_hint", 8),
        _text("base_url", 500),
        sa.Column("sealed_token", sa.Text, nullable=False),
        sa.Column("iv", sa.String(64), nullable=False, server_default=""),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("user_id", "provider", name="uq_connections_user_provider"),
    )


def _gates() -> None:
    op.create_table(
        "gates",
        sa.Column("session_id", sa.String(100), primary_key=True),
        _text("owner_id", 100),
        _text("provider", 20),
        _text("host", 260),
        _text("base_url", 500),
        _text("full_name", 400),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("clone_url", sa.Text, nullable=False),
        _text("default_branch", 250),
        sa.Column("private", sa.Boolean, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("is_open", sa.Boolean, nullable=False),
    )
    op.create_table(
        "pushes",
        sa.Column("session_id", sa.String(100), sa.ForeignKey("gates.session_id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        _text("provider", 20),
        _text("repo", 400),
        _text("branch", 400),
        _text("old_commit", 64),
        _text("commit_id", 64),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("key", sa.String(200), primary_key=True),
        _text("session_id", 100),
        _text("act", 50),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("answer", sa.Text),
        sa.Column("existed", sa.Boolean, nullable=False, server_default=sa.text("false")),
    )
    op.create_index("ix_outbox_session_act", "outbox", ["session_id", "act"])


def _pull_requests() -> None:
    op.create_table(
        "pull_requests",
        sa.Column("repo", sa.String(400), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        _text("title", 255),
        sa.Column("body", sa.Text, nullable=False),
        _text("head", 250),
        _text("base", 250),
        sa.Column("draft", sa.Boolean, nullable=False),
        _text("state", 20),
        sa.Column("head_commit", sa.String(64), nullable=False, server_default=""),
        sa.Column("base_commit", sa.String(64), nullable=False, server_default=""),
        sa.Column("merge_commit", sa.String(64), nullable=False, server_default=""),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
    )
    columns = ["repo", "head", "base"]
    op.create_index(
        "uq_pull_requests_open", "pull_requests", columns, unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
    )


def downgrade() -> None:
    """Takes them away."""
    for table in ("pull_requests", "outbox", "pushes", "gates", "connections"):
        op.drop_table(table)
