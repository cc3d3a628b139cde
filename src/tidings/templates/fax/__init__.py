"""Fax pages from HTML: compiled once per variant and locale, filled per recipient, one TIFF a fax.

The names are loaded when they are used: arrays and pictures are heavy, and a check of a workspace without faxes needs none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidings.templates.fax.compiled import CompiledFax, FaxPages
    from tidings.templates.fax.compiling import compile_fax
    from tidings.templates.fax.message import campaign_fax, fax_channel, fax_cost, read_fax_sources
    from tidings.templates.fax.tiff import pages_png

__all__ = [
    "CompiledFax",
    "FaxPages",
    "campaign_fax",
    "compile_fax",
    "fax_channel",
    "fax_cost",
    "pages_png",
    "read_fax_sources",
]

_HOMES = {
    "CompiledFax": "compiled",
    "FaxPages": "compiled",
    "campaign_fax": "message",
    "compile_fax": "compiling",
    "fax_channel": "message",
    "fax_cost": "message",
    "pages_png": "tiff",
    "read_fax_sources": "message",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
