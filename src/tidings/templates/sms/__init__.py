"""Text messages: counted in segments, compiled once per variant and locale, filled per recipient."""
