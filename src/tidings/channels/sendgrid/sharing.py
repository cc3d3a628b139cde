"""Finds what rendered messages have in common, so that one call carries many of them, each exactly as rendered.

Bodies are cut at line ends and, in HTML, at quotes and angle brackets. Messages with the same cuts are laid side by
side; where the pieces of a column differ, their common beginning and end stay and the rest becomes a substitution tag. The
service puts each recipient's values back. Nothing is taken on trust: every message is put together again here, and one that
would not come out letter for letter goes in a call of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from tidings.channels.sendgrid.letters import Letter

# Per recipient, names and values together.
MAX_SUBSTITUTIONS = 10_000
# A message that differs from the first of its group by more starts a group of its own: another variant or locale.
_FAR = 8_000

_TEXT_CUTS = re.compile(r"(\n)")
_HTML_CUTS = re.compile(r'([<>"\n])')


@dataclass(frozen=True, slots=True)
class Bundle:
    """Letters of one call: bodies with tags, and for each letter the values that stand for them."""

    letters: tuple[Letter, ...]
    text: str
    html: str | None
    substitutions: tuple[dict[str, str], ...]


@dataclass(slots=True)
class _Group:
    first: list[str]
    members: list[tuple[Letter, list[str]]]
    addresses: set[str] = field(default_factory=set)


def bundles(letters: Sequence[Letter], most: int) -> list[Bundle]:
    """Return the calls for these letters, at most `most` in each and no address twice in one.

    Letters keep their order within a bundle; every letter is in exactly one.
    """
    groups: dict[tuple[object, ...], list[_Group]] = {}
    order: list[_Group] = []
    for letter in letters:
        text, html = _TEXT_CUTS.split(letter.text), _HTML_CUTS.split(letter.html or "")
        shape = (
            *(letter.sender, letter.sender_name, letter.reply_to, letter.reply_name, letter.html is None),
            *(not letter.text, len(text), "".join(html[1::2])),
            # A call has one set of files for all its recipients.
            letter.attachments,
        )
        pieces = text + html
        address = letter.recipient.lower()
        near = groups.setdefault(shape, [])
        for group in near:
            fits = len(group.members) < most and address not in group.addresses
            if fits and _distance(group.first, pieces) <= _FAR:
                break
        else:
            group = _Group(pieces, [])
            near.append(group)
            order.append(group)
        group.members.append((letter, pieces))
        group.addresses.add(address)
    made: list[Bundle] = []
    for group in order:
        made += _bundled(group)
    return made


def rebuilt(text: str, substitutions: dict[str, str]) -> str:
    """Return a body with its tags replaced, each once and from left to right."""
    if not substitutions:
        return text
    tags = re.compile("|".join(re.escape(tag) for tag in substitutions))
    return tags.sub(lambda found: substitutions[found[0]], text)


def alone(letter: Letter) -> Bundle:
    """Return a bundle of one letter, its bodies untouched."""
    return Bundle((letter,), letter.text, letter.html, ({},))


def _distance(first: list[str], pieces: list[str]) -> int:
    return sum(len(piece) for one, piece in zip(first, pieces, strict=True) if one != piece)


def _bundled(group: _Group) -> list[Bundle]:
    if len(group.members) == 1:
        return [alone(group.members[0][0])]
    letters = [letter for letter, _ in group.members]
    nonce = _nonce(letters)
    columns = zip(*(pieces for _, pieces in group.members), strict=True)
    common, values = _tagged(columns, nonce)
    cut = len(_TEXT_CUTS.split(letters[0].text))
    text, html = "".join(common[:cut]), "".join(common[cut:])
    kept: list[Letter] = []
    substitutions: list[dict[str, str]] = []
    rest: list[Bundle] = []
    for number, letter in enumerate(letters):
        own = {tag: column[number] for tag, column in values.items()}
        size = sum(len(tag) + len(value.encode()) for tag, value in own.items())
        same = rebuilt(text, own) == letter.text and rebuilt(html, own) == (letter.html or "")
        if size <= MAX_SUBSTITUTIONS and same:
            kept.append(letter)
            substitutions.append(own)
        else:
            rest.append(alone(letter))
    if len(kept) == 1:
        return [alone(kept[0]), *rest]
    if not kept:
        return rest
    shared_html = None if letters[0].html is None else html
    return [Bundle(tuple(kept), text, shared_html, tuple(substitutions)), *rest]


def _tagged(columns: zip[tuple[str, ...]], nonce: str) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Return the common pieces with tags in them, and the values of each tag by letter."""
    common: list[str] = []
    tags: dict[tuple[str, ...], str] = {}
    for column in columns:
        first = column[0]
        if column.count(first) == len(column):
            common.append(first)
            continue
        head = _beginning(column)
        tails = [one[len(head) :] for one in column]
        tail = _beginning([one[::-1] for one in tails])[::-1]
        middle = tuple(one[: len(one) - len(tail)] for one in tails)
        # The same link in text and HTML, or a name said twice, needs one tag only.
        tag = tags.setdefault(middle, f"-{nonce}x{len(tags)}-")
        common.append(head + tag + tail)
    return common, {tag: middle for middle, tag in tags.items()}


def _beginning(texts: Sequence[str]) -> str:
    """Return what all texts begin with: what the first and the last of them in order do."""
    low, high = min(texts), max(texts)
    for place, sign in enumerate(low):
        if sign != high[place]:
            return low[:place]
    return low


def _nonce(letters: Sequence[Letter]) -> str:
    """Return a word that occurs in none of the letters, so that no tag can be taken for content or the reverse."""
    everything = "\0".join(
        word
        for one in letters
        for word in (one.subject, one.text, one.html or "", *(v for _, v in one.headers))
    )
    attempt = 0
    while True:
        seed = f"{attempt}\0{letters[0].recipient}\0{len(everything)}".encode()
        nonce = "t" + blake2b(seed, digest_size=4).hexdigest()
        if nonce not in everything:
            return nonce
        attempt += 1
