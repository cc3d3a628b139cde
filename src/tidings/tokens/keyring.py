"""The key ring: the first key signs, every key verifies, so that keys change without breaking mailed links."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tidings.errors import TidingsError

VARIABLE = "TIDINGS_KEYS"
_FILE = "keys"
_KID = re.compile(r"[A-Za-z0-9_-]{1,16}")
_SECRET = re.compile(r"(?:[0-9a-fA-F]{2}){16,64}")
_HOW = (
    f"Set {VARIABLE}=name:secret, several separated by commas, the signing key first. A new one: "
    "python3 -c \"import secrets; print('k1:' + secrets.token_hex(32))\""
)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key: `kid` names it inside each token, `secret` is 16 to 64 bytes and is never shown."""

    kid: str
    secret: bytes

    def __repr__(self) -> str:
        return f"SigningKey({self.kid!r}, secret=***)"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys in order. To change keys, put a new one first and keep the old ones as long as mailed links live."""

    keys: tuple[SigningKey, ...]

    def __post_init__(self) -> None:
        if not self.keys:
            raise TidingsError("the key ring is empty", what_to_do=_HOW, code="keys-missing")

    @property
    def signing(self) -> SigningKey:
        """Return the key that signs new tokens."""
        return self.keys[0]

    @classmethod
    def from_text(cls, text: str, *, where: str = VARIABLE) -> KeyRing:
        """Read `name:hexadecimal secret,name:secret…`; raises TidingsError without ever quoting a secret."""
        keys: list[SigningKey] = []
        for place, entry in enumerate((part.strip() for part in text.split(",") if part.strip()), start=1):
            kid, colon, secret = entry.partition(":")
            if not colon or not _KID.fullmatch(kid):
                raise TidingsError(
                    f"{where}: key {place} does not start with a name of 1 to 16 letters, digits, _ or - "
                    "and a colon",
                    what_to_do=_HOW,
                    code="keys-bad",
                )
            if not _SECRET.fullmatch(secret):
                raise TidingsError(
                    f'{where}: the secret of key "{kid}" is not 32 to 128 hexadecimal digits',
                    what_to_do=_HOW,
                    code="keys-bad",
                )
            if any(key.kid == kid for key in keys):
                raise TidingsError(
                    f'{where}: two keys are named "{kid}"',
                    what_to_do="Give each key its own name; a token finds its key by it.",
                    code="keys-bad",
                )
            keys.append(SigningKey(kid, bytes.fromhex(secret)))
        if not keys:
            raise TidingsError(f"{where} holds no key", what_to_do=_HOW, code="keys-missing")
        return cls(tuple(keys))

    @classmethod
    def load(
        cls, data_dir: Path, *, environment: str = "development", variables: Mapping[str, str] | None = None
    ) -> KeyRing:
        """Read the keys from the variable TIDINGS_KEYS.

        Without it, the environment `development` uses a key file in `data_dir` (mode 0600, made when absent);
        every other environment raises TidingsError, because a key that stands beside the data protects nothing.
        """
        given = (os.environ if variables is None else variables).get(VARIABLE, "").strip()
        if given:
            return cls.from_text(given)
        if environment != "development":
            raise TidingsError(
                f'{VARIABLE} is not set, and the environment "{environment}" makes no key by itself: links in '
                "mailed messages could not be trusted",
                what_to_do=_HOW,
                code="keys-missing",
            )
        return cls.from_text(_development_keys(data_dir / _FILE), where=str(data_dir / _FILE))


def _development_keys(path: Path) -> str:
    """Return the text of the development key file, making it first when there is none."""
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written aside and linked into place: of two processes that start at once, both use the key of the first.
    aside = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"dev{secrets.token_hex(2)}:{secrets.token_hex(32)}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink()
    return path.read_text(encoding="ascii")
