"""The kinds of definition, each a frozen dataclass that one file becomes."""
