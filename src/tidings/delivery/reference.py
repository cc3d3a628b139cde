"""Our own name for a message, as providers echo it: opaque, without personal data, and of one store alone."""

from __future__ import annotations

import re
from hashlib import blake2b
from hmac import compare_digest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidings.store.database import Store

_REFERENCE = re.compile(r"([0-9a-f]{6})-([1-9][0-9]{0,18})", re.ASCII)
_LARGEST_ID = 2**63 - 1


class Referrer:
    """Names the messages of one workspace in one environment, and knows its own names again.

    A provider's account is often shared: by the environments of a workspace, by other programs. The tag keeps
    their events apart, for all of them count their messages from 1.

    Whatever comes back by mail anybody could have written, and numbers can be counted through. So a mail also carries a seal
    of its number, which is made with a `secret` of the store and is known to nobody but the reader of that one mail.
    """

    def __init__(self, workspace: str, environment: str, salt: str, secret: str = "") -> None:
        # The lengths keep ("ab", "c") and ("a", "bc") apart.
        whole = "".join(f"{len(part)}:{part}" for part in (workspace, environment, salt))
        self._tag = blake2b(whole.encode(), digest_size=3, person=b"message-ref").hexdigest()
        self._keyed = (
            blake2b(key=secret.encode()[:64], digest_size=8, person=b"message-seal") if secret else None
        )

    def of(self, message_id: int) -> str:
        """Return the reference of a message: `TAG-ID`."""
        return f"{self._tag}-{message_id}"

    def seal(self, message_id: int) -> str:
        """Return what proves that a mail about a message answers that message; empty without a secret."""
        if self._keyed is None:
            return ""
        keyed = self._keyed.copy()
        keyed.update(b"%d" % message_id)
        return keyed.hexdigest()

    def proves(self, message_id: int, seal: str) -> bool:
        """Tell whether a seal is that of a message, in the same time whatever it says; without a secret none is."""
        right = self.seal(message_id)
        return bool(right) and compare_digest(right.encode(), seal.encode("utf-8", "replace"))

    def of_notice(self, notice_id: int) -> str:
        """Return the reference of a notice, which never reads as that of a message."""
        return f"{self._tag}-n{notice_id}"

    def of_task(self, task_id: int, kind: str) -> str:
        """Return the reference of a mail about a task (`mail` or `escalation`), which never reads as that of a message."""
        return f"{self._tag}-{kind[0]}{task_id}"

    def of_paper(self, paper_id: int) -> str:
        """Return the reference of a mailed page of results, which never reads as that of a message."""
        return f"{self._tag}-p{paper_id}"

    def message_of(self, reference: str) -> int | None:
        """Return the message that a reference names; None when it is malformed or another store's."""
        match = _REFERENCE.fullmatch(reference)
        if match is None or match[1] != self._tag:
            return None
        number = int(match[2])
        return number if number <= _LARGEST_ID else None


def referrer_of(store: Store, salt: str) -> Referrer:
    """Return who names the messages of a store and knows the seals of its mails; reads the store once."""
    from tidings.store.identity import secret_of

    with store.read() as connection:
        return Referrer(store.workspace, store.environment, salt, secret_of(connection))
