"""All SQL of the gateway; the same tables in SQLite and Postgres."""
