"""Tables. Times are UTC; SQLite keeps them without their zone."""

from sqlalchemy import Column, DateTime, ForeignKey, Index, MetaData, String, Table

metadata = MetaData()

users = Table(
    "gateway_users",
    metadata,
    Column("user_id", String(64), primary_key=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("name", String(320), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

sign_ins = Table(
    "gateway_sign_ins",
    metadata,
    Column("secret_hash", String(64), primary_key=True),
    Column("user_id", String(64), ForeignKey("gateway_users.user_id", ondelete="CASCADE"), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("gateway_sign_ins_user", "user_id"),
    Index("gateway_sign_ins_expires", "expires_at"),
)
