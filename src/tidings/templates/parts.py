"""A finished e-mail as fields, for providers that build the message themselves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parts:
    """`sender` and `reply_to` are `Name <address>`; `headers` are those that must go with it, List-Unsubscribe first.

    Message-ID, Date and MIME headers are the provider's.
    """

    sender: str
    subject: str
    text: str
    html: str | None = None
    reply_to: str = ""
    headers: tuple[tuple[str, str], ...] = ()
