"""SMS over SMPP 3.4, to an SMS centre or a gateway."""

from __future__ import annotations

from tidings.channels.smpp.adapter import SmppAdapter

__all__ = ["SmppAdapter"]
