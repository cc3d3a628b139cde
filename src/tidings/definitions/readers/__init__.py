"""How each kind of file is read: its keys, what they mean, and the dataclass it becomes."""
