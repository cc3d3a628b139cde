"""Effect beside credit: what was credited, what came because of it, and what it cost, of the same time."""
