"""All tables, connections, migrations, and the differences between SQLite and PostgreSQL."""
