"""Fax calls between two machines in this process: true T.30 over true modem tones, no line, no server."""

from tidings.channels.t30.adapter import T30Adapter

__all__ = ["T30Adapter"]
