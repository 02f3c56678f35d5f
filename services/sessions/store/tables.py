"""The tables of the sessions service; one definition for SQLite and Postgres."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData()

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", String(64), primary_key=True),
    Column("owner_id", String(128), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("title", String(255), nullable=False),
    Column("task", Text, nullable=False),
    Column("state", Integer, nullable=False),
    Column("model", String(255), nullable=False),
    Column("sandbox_id", String(64), nullable=False),
    Column("provider", String(32)),
    Column("repo_full_name", String(512), nullable=False, server_default=""),
    Column("repo_url", Text, nullable=False, server_default=""),
    Column("base_branch", String(255), nullable=False, server_default=""),
    Column("project_id", String(255), nullable=False, server_default=""),
    Column("confinement", String(32), nullable=False, server_default=""),
    Column("git_user_name", String(255), nullable=False, server_default=""),
    Column("git_user_email", String(400), nullable=False, server_default=""),
    Column("model_key_sealed", Text, nullable=False, server_default=""),
    Column("pull_request", LargeBinary),
    Column("title_by_user", Boolean, nullable=False, server_default=false()),
    Column("confirmation", Integer, nullable=False, server_default="0"),
    Column("budget_cost_micros", BigInteger, nullable=False, server_default="0"),
    Column("budget_steps", BigInteger, nullable=False, server_default="0"),
    Column("budget_seconds", BigInteger, nullable=False, server_default="0"),
    Column("fallback_model", String(255), nullable=False, server_default=""),
    Column("network", Integer, nullable=False, server_default="0"),
    # What the sandbox is made with (domain/environment.py), as JSON; empty = nothing of its own.
    Column("environment", Text, nullable=False, server_default=""),
    Column("turn_open", Boolean, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("last_hash", LargeBinary, nullable=False),
    Column("log_epoch", Integer, nullable=False),
    # The owner's lease, by the database's clock (seconds since 1970). A session is claimed while `wanted`, or once
    # `wake_at` has come.
    Column("wanted", Boolean, nullable=False),
    Column("stop_requested", Boolean, nullable=False),
    Column("pause_requested", Boolean, nullable=False, server_default=false()),
    # The fold of the log that says what waits (domain/waiting.py), as JSON; empty = nothing.
    Column("waiting", Text, nullable=False, server_default=""),
    Column("wake_at", Float, nullable=False, server_default="0"),
    Column("lease_owner", String(64), nullable=False),
    Column("lease_epoch", Integer, nullable=False),
    Column("lease_until", Float, nullable=False),
    Column("create_time", Float, nullable=False),
    Column("update_time", Float, nullable=False),
    UniqueConstraint("owner_id", "request_id", name="sessions_request"),
    Index("sessions_by_owner", "owner_id", "update_time"),
    Index("sessions_wanted", "wanted", "lease_until"),
    Index("sessions_waking", "wake_at"),
)

events = Table(
    "session_events",
    metadata,
    Column("session_id", String(64), ForeignKey("sessions.session_id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("key", String(255)),
    # The serialised Event: what is hashed, sent and exported is these bytes.
    Column("data", LargeBinary, nullable=False),
    UniqueConstraint("session_id", "key", name="session_events_key"),
)

progress = Table(
    "session_progress",
    metadata,
    Column("session_id", String(64), ForeignKey("sessions.session_id", ondelete="CASCADE"), primary_key=True),
    Column("item_id", String(64), primary_key=True),
    Column("channel", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

# What deleted sessions may have left behind, until it is surely gone.
leftovers = Table(
    "session_leftovers",
    metadata,
    Column("session_id", String(64), primary_key=True),
    Column("owner_id", String(128), nullable=False),
    Column("sandbox_id", String(64), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Float, nullable=False),
    Index("session_leftovers_due", "due_at"),
)

# How far this service has read what other services tell in order.
cursors = Table(
    "session_cursors",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("number", BigInteger, nullable=False),
)

# What people have set for their sessions on a repository, as in `sessions`.
environments = Table(
    "repository_environments",
    metadata,
    Column("owner_id", String(128), primary_key=True),
    Column("provider", String(32), primary_key=True),
    Column("full_name", String(512), primary_key=True),
    Column("environment", Text, nullable=False),
)
