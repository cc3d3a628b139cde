"""Pages that links lead to: what one gets to know when somebody comes, and what it tells when somebody acts there.

A link whose address has the parameter `tidings` with nothing behind it gets a token of its message there. The page gives the
token back with POST /v/TOKEN once a person has moved, typed or sent a form: a program that looks into a link seldom does. A
server that knows it by a form or an order may do the same with its key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tidings.responses.request import Scope, describe

VISIT = "visit"
# Who told of a visit: the browser that made it, or a server, which has a network and a program of its own.
BY_SERVER = "server"
_WANTED = re.compile(r"([?&]tidings=)(?=[&#]|$)")


def with_token(target: str, mint: Callable[[], str]) -> str:
    """Return a target with a token of `mint` where it wants one, else as it is."""
    return _WANTED.sub(lambda found: found[1] + mint(), target, count=1)


def visit_record(scope: Scope, message_id: int, at: int, *, server: bool) -> dict[str, Any] | None:
    """Return what the spool keeps of somebody who acts on a page, None where they do not want to be followed."""
    record: dict[str, Any] = {"k": VISIT, "at": at, "m": message_id, "method": "POST"}
    if server:
        return record | {"by": BY_SERVER}
    facts = describe(scope)
    if facts.pop("dnt", False):
        return None
    return record | facts
