"""Messages compiled once and filled per recipient: sandboxed Jinja2, link slots, MIME skeleton. Never reads the store."""
