"""Marketing automation as code: segments, campaigns and flows in YAML, delivered and measured."""

__version__ = "0.1.0"
