"""Alembic's home for the tables of sessions."""
