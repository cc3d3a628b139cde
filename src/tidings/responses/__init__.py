"""What comes back: the tracker, its durable spool, draining into the store, and judging human from machine."""
