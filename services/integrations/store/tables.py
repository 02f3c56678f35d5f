"""The tables of integrations; the same in SQLite and Postgres."""

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

connections = Table(
    "connections",
    metadata,
    Column("connection_id", String(64), primary_key=True),
    Column("user_id", String(100), nullable=False),
    Column("provider", String(20), nullable=False),
    Column("label", String(200), nullable=False),
    Column("username", String(200), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("token_hint", String(8), nullable=False),
    Column("base_url", String(500), nullable=False),
    Column("sealed_token", Text, nullable=False),
    Column("iv", String(64), nullable=False, server_default=""),  # set only in the predecessor's form
    Column("create_time", DateTime(timezone=True), nullable=False),
    UniqueConstraint("user_id", "provider", name="uq_connections_user_provider"),
)

gates = Table(
    "gates",
    metadata,
    Column("session_id", String(100), primary_key=True),
    Column("owner_id", String(100), nullable=False),
    Column("provider", String(20), nullable=False),
    Column("host", String(260), nullable=False),
    Column("base_url", String(500), nullable=False),
    Column("full_name", String(400), nullable=False),
    Column("url", Text, nullable=False),
    Column("clone_url", Text, nullable=False),
    Column("default_branch", String(250), nullable=False),
    Column("private", Boolean, nullable=False),
    Column("description", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("is_open", Boolean, nullable=False),
)

pushes = Table(
    "pushes",
    metadata,
    Column("session_id", String(100), ForeignKey("gates.session_id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("provider", String(20), nullable=False),
    Column("repo", String(400), nullable=False),
    Column("branch", String(400), nullable=False),
    Column("old_commit", String(64), nullable=False),
    Column("commit_id", String(64), nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("session_id", String(100), nullable=False),
    Column("act", String(50), nullable=False),
    Column("target", Text, nullable=False),
    Column("answer", Text),  # JSON; null while the act is not known to have happened
    Column("existed", Boolean, nullable=False, server_default=text("false")),
    Index("ix_outbox_session_act", "session_id", "act"),
)

pull_requests = Table(
    "pull_requests",
    metadata,
    Column("repo", String(400), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("url", Text, nullable=False),
    Column("title", String(255), nullable=False),
    Column("body", Text, nullable=False),
    Column("head", String(250), nullable=False),
    Column("base", String(250), nullable=False),
    Column("draft", Boolean, nullable=False),
    Column("state", String(20), nullable=False),
    Column("head_commit", String(64), nullable=False, server_default=""),
    Column("base_commit", String(64), nullable=False, server_default=""),
    Column("merge_commit", String(64), nullable=False, server_default=""),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Index(
        "uq_pull_requests_open",
        "repo",
        "head",
        "base",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
)
