"""What the services' stores share: SQLite's settings and the running of migrations. Knows no service and no table."""
