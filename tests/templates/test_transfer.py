"""Text travels as it stands where nothing on the way may change it, and as base64 everywhere else."""

from __future__ import annotations

from base64 import b64encode
from email import message_from_bytes, policy

import pytest

from tidings.templates.mime import base64_body, body_part

AS_IT_STANDS = [
    "",
    "hello",
    "hello\r\n",
    "a\r\n\r\n.\r\n..b\r\nfrom here\r\n",
    "x" * 998 + "\r\n" + "y" * 998,
]
CHANGED_ON_THE_WAY = [
    "смотри\r\n",
    "x" * 999,
    "short\r\n" + "x" * 999 + "\r\n",
    "a bare\nline feed",
    "a bare\rreturn",
    "both\r\nkinds\n",
    "swapped\n\r",
    "a NUL \0 sign",
    "From the shop\r\n",
    "hello\r\nFrom the shop",
]


def _read(part: bytes) -> bytes:
    content = message_from_bytes(part, policy=policy.SMTP).get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


@pytest.mark.parametrize("text", AS_IT_STANDS)
def test_plain_words_go_as_they_are(text: str) -> None:
    part = body_part(b"plain", text)
    assert b"Content-Transfer-Encoding: 7bit\r\n\r\n" in part
    assert part.endswith(text.encode())
    assert _read(part) == text.encode()


@pytest.mark.parametrize("text", CHANGED_ON_THE_WAY)
def test_whatever_a_server_might_change_goes_as_base64(text: str) -> None:
    part = body_part(b"html", text)
    assert b"Content-Transfer-Encoding: base64\r\n\r\n" in part
    assert _read(part) == text.encode()


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 113, 114, 115, 5_700, 20_001])
def test_base64_is_cut_into_lines_of_76(size: int) -> None:
    lines = base64_body("x" * size).split(b"\r\n")
    assert lines.pop() == b""
    assert all(len(line) == 76 for line in lines[:-1])
    assert all(0 < len(line) <= 76 for line in lines)
    assert b"".join(lines) == b64encode(b"x" * size)
