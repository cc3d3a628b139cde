"""Faxes by a HylaFAX server: its client protocol over the FTP client of the standard library."""

from tidings.channels.hylafax.adapter import HylafaxAdapter

__all__ = ["HylafaxAdapter"]
