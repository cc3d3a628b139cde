"""Events of people whom no key names: kept under what else they say of who it was, and looked for later.

A web site calls its visitors by names of its own; an order of a guest holds a code, a telephone number, an e-mail address
or the page that an ad led to. An event that says none of these says nothing of anybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from tidings.customers.cells import CellError
from tidings.customers.who import PAGE, Identities, Identity

# Properties of events that hold the address of a page.
PAGE_PROPERTIES = ("landing_page", "page", "url")
# By what, and the properties of an event that may hold it, in the order in which they are believed.
PROPERTIES = {
    "code": ("code", "coupon", "coupon_code", "voucher"),
    "phone": ("phone", "telephone", "mobile"),
    "email": ("email", "e_mail"),
    PAGE: PAGE_PROPERTIES,
}
LONGEST_VISITOR = 200
# The mark of an event whose property cannot be read after all: it was answered for, so it is kept.
STRANGER = "stranger"


def read_visitor(text: str) -> str:
    """Return what a web site calls a visitor; raises CellError for a name that cannot be kept."""
    if len(text) > LONGEST_VISITOR:
        raise CellError(
            "too long", f"a visitor's name has at most {LONGEST_VISITOR} signs, this one {len(text):,}"
        )
    # So begin the marks of those who are known by something else.
    if text.startswith("="):
        raise CellError("no visitor", f'"{text[:60]}" is no name of a visitor: it begins with "="')
    return text


def said(known: Identities, properties: Mapping[str, Any], by: str) -> Iterator[Identity]:
    """Yield what properties say of one kind; what cannot be read is passed over."""
    for name in PROPERTIES[by]:
        value = properties.get(name)
        if isinstance(value, str) and value.strip():
            with suppress(CellError):
                yield known.reader(by)(value.strip())


def mark_of(known: Identities, properties: Mapping[str, Any]) -> str | None:
    """Return the mark under which an event of nobody known is kept, None where it says nothing of who it was."""
    found = next((one for by in PROPERTIES for one in said(known, properties, by)), None)
    return None if found is None else found.mark
