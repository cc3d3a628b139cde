"""Marketing automation as code: segments, campaigns and flows in YAML, delivered and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidings.workspace import Workspace as Workspace

__version__ = "0.1.0"
__all__ = ["Workspace", "__version__"]


def __getattr__(name: str) -> Any:
    # Loaded when it is asked for: a command must not wait for what only notebooks use.
    if name == "Workspace":
        from tidings.workspace import Workspace

        return Workspace
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
