"""The `tidings` command: each command in a module of its own, imported only when it is called."""
