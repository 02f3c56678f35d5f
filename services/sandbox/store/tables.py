"""The tables of this service."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, DateTime, Index, MetaData, String, Table, false

metadata = MetaData()
sandboxes = Table(
    "sandboxes",
    metadata,
    Column("sandbox_id", String(64), primary_key=True),
    Column("owner_id", String(100), nullable=False),
    Column("session_id", String(100), nullable=False),
    Column("image", String(300), nullable=False),
    Column("env", JSON, nullable=False),
    Column("git_config", JSON, nullable=False),
    Column("confinement", String(20), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("removed", Boolean, nullable=False),
    Column("network", JSON),
    Column("warm_id", String(64), nullable=False),
    Column("life", String(20), nullable=False, server_default="new"),
    Column("last_use", DateTime(timezone=True)),
    # The end of its container was announced since it was last used.
    Column("warned", Boolean, nullable=False, server_default=false()),
    Column("workspace_id", String(64), nullable=False, server_default=""),
    Index("sandboxes_of_owner", "owner_id", "sandbox_id"),
    Index("sandboxes_of_body", "warm_id"),
)
warm_sandboxes = Table(
    "warm_sandboxes",
    metadata,
    Column("warm_id", String(64), primary_key=True),
    Column("instance", String(64), nullable=False),
    Column("confinement", String(20), nullable=False),
    Column("image", String(300), nullable=False),
    Column("recipe", String(64), nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("ready", Boolean, nullable=False),
)

transitions = Table(
    "sandbox_transitions",
    metadata,
    # Gapless in the order of their commits: who has seen a number has seen all below it.
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("transition_id", String(64), nullable=False),
    Column("sandbox_id", String(64), nullable=False),
    Column("session_id", String(100), nullable=False),
    Column("owner_id", String(100), nullable=False),
    Column("image", String(300), nullable=False),
    Column("confinement", String(20), nullable=False),
    Column("what", String(20), nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("told", JSON, nullable=False),
    Index("sandbox_transitions_of", "sandbox_id", "number"),
)

checkpoints = Table(
    "sandbox_checkpoints",
    metadata,
    Column("checkpoint_id", String(64), primary_key=True),
    Column("sandbox_id", String(64), nullable=False),
    Column("request_id", String(100), nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("content", JSON, nullable=False),
    Index("sandbox_checkpoints_of", "sandbox_id", "checkpoint_id"),
)
