"""The tables of this service."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, DateTime, Index, MetaData, String, Table

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
    Index("sandboxes_of_owner", "owner_id", "sandbox_id"),
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
