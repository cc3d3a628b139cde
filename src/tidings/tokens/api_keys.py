"""Keys of the event API: the server keeps only their hashes, in the variable TIDINGS_API_KEYS.

The variable holds `name:sha256 of the key`, several separated by commas. `tidings serve --new-api-key NAME` makes
a key and prints both halves. To withdraw a key, take its entry out and start `tidings serve` again.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

from tidings.errors import TidingsError, UsageError

VARIABLE = "TIDINGS_API_KEYS"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """Names of the systems that may send events, each with the SHA-256 of its key. None: the API is off."""

    entries: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_text(cls, text: str) -> ApiKeys:
        """Read `name:hash,name:hash…`; raises TidingsError that names the entry by its place."""
        entries: list[tuple[str, str]] = []
        for place, entry in enumerate((part.strip() for part in text.split(",") if part.strip()), start=1):
            name, _, digest = entry.partition(":")
            if not _NAME.fullmatch(name) or not _HASH.fullmatch(digest):
                raise TidingsError(
                    f"{VARIABLE}: entry {place} is not name:hash (a short name in lower case, then 64 "
                    "hexadecimal digits)",
                    what_to_do="Make one with `tidings serve --new-api-key NAME`.",
                    code="api-keys-bad",
                )
            entries.append((name, digest))
        return cls(tuple(entries))

    @classmethod
    def load(cls, variables: Mapping[str, str] | None = None) -> ApiKeys:
        """Read the variable TIDINGS_API_KEYS; without it there are no keys and the API accepts nobody."""
        return cls.from_text((os.environ if variables is None else variables).get(VARIABLE, ""))

    def name_of(self, key: str) -> str | None:
        """Return whose key it is, or None. Every entry is compared, so the time taken tells nothing."""
        given = _digest(key)
        found = None
        for name, digest in self.entries:
            if compare_digest(given, digest):
                found = name
        return found


def new_api_key(name: str) -> tuple[str, str]:
    """Return a fresh key of 256 random bits, and the entry for TIDINGS_API_KEYS; raises UsageError for a bad name."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f'"{name}" is no name for an API key',
            what_to_do="Use lower-case letters, digits, _ and -, at most 32, such as web-shop.",
        )
    key = f"tk_{secrets.token_urlsafe(32)}"
    return key, f"{name}:{_digest(key)}"


def _digest(key: str) -> str:
    # A plain hash is enough: the keys are 256 random bits, nobody guesses them.
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
