"""What the rules of countries ask of the words of a message, asked of the message as it is written.

Of a text message it is always the finished text. An e-mail whose body has no `if`, `for` or other choice says the same to
everybody as far as this goes: it is looked at once for each wording, and every other e-mail by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from html import unescape
from urllib.parse import urlsplit

from tidings.definitions.kinds.channel import Channel
from tidings.definitions.rule_packs import (
    AD_LABEL,
    FOOTER,
    LINKS,
    PACKS,
    SENDER,
    SIGNATURE,
    UNSUBSCRIBE,
    Demand,
    Pack,
)
from tidings.definitions.workspace import Definitions
from tidings.templates.sms.leaving import NAME as OPT_OUT
from tidings.templates.sms.leaving import says_how_to_leave, takes_answers

# In the order in which `customers.refusals` has them: the first that holds is stored.
_ORDER = (LINKS, FOOTER, UNSUBSCRIBE, AD_LABEL, SIGNATURE)
_LINK = re.compile(r"https?://[^\s\"'<>【】「」，。；：）]+", re.IGNORECASE)
_TAGS = re.compile(r"<[^>]*>")
_SIGNED = re.compile(r"\s*【\s*([^】\n]{1,24}?)\s*】")
_OPENING = " \t[(（【<「"
_NAME = re.compile(r"\s*<[^<>]*>\s*\Z")


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a finished message: `bodies` are its parts, HTML as it is; `leave` is where one unsubscribes."""

    subject: str
    bodies: tuple[str, ...]
    leave: str = ""


@dataclass(frozen=True, slots=True)
class Lack:
    """What a message lacks: the refusal code, the rule behind it, and a sentence."""

    code: str
    rule: str
    detail: str


class Demands:
    """What the packs of a workspace ask of the words of one campaign (or step) on one channel."""

    def __init__(self, definitions: Definitions, campaign: str, channel: Channel, message_class: str) -> None:
        workspace = definitions.workspace
        self._channel = channel
        self._packs = [PACKS[name] for name in definitions.policies.rules]
        self._by_pack: dict[str, tuple[Demand, ...]] = {
            pack.name: tuple(
                sorted(
                    # Of faxes nothing is asked that their words could lack (`customers.house`).
                    (
                        one
                        for one in pack.of(channel.kind, message_class)
                        if one.code != SENDER and one.kind != "fax"
                    ),
                    key=lambda one: _ORDER.index(one.code),
                )
            )
            for pack in self._packs
        }
        self.home = workspace.country
        self._address = _letters(workspace.postal_address)
        found = definitions.campaigns[campaign]
        said = [found.say, *(variant.say for variant in found.variants)]
        self._own_words = any(name == OPT_OUT for say in said for name, _ in say)
        signature = str(dict(channel.options).get("signature", "")).strip("【】 ")
        names = (signature, _NAME.sub("", channel.sender), workspace.title)
        self._names = tuple(one.strip().casefold() for one in names if one.strip())

    @property
    def any(self) -> bool:
        """Tell whether anything is asked at all."""
        return any(self._by_pack.values())

    def packs_of(self, country: str | None) -> tuple[Pack, ...]:
        """Return the packs for somebody in a country; where it is not known, all: any of them could apply."""
        return tuple(one for one in self._packs if country is None or country in one.countries)

    def lacking(self, words: Words, packs: Iterable[Pack]) -> Lack | None:
        """Return the first thing that packs ask for and a message lacks; None when it has all."""
        asked = [(demand, pack) for pack in packs for demand in self._by_pack[pack.name]]
        for demand, pack in sorted(asked, key=lambda one: _ORDER.index(one[0].code)):
            detail = self._missing(demand, words)
            if detail:
                return Lack(demand.code, pack.title, detail)
        return None

    def asked_of(self, words: Words, pack: Pack) -> list[tuple[str, str]]:
        """Return all that a pack asks of a message: each code with what is missing, empty where nothing is."""
        return [(one.code, self._missing(one, words)) for one in self._by_pack[pack.name]]

    def _missing(self, demand: Demand, words: Words) -> str:
        """Return in a sentence what is missing, empty when nothing is."""
        text = words.bodies[0] if words.bodies else ""
        if demand.code == LINKS:
            hosts = {host for body in words.bodies for host in hosts_in(body)}
            strange = sorted(hosts - set(self._channel.links))
            return f"link: {strange[0]} is not in `links` of the channel" if strange else ""
        if demand.code == FOOTER:
            stands = self._address and all(self._address in _letters(_plain(body)) for body in words.bodies)
            return "" if stands else "footer: the postal address is not in every part"
        if demand.code == AD_LABEL:
            return (
                ""
                if _labelled(words.subject, demand.words)
                else f"subject: does not begin with {demand.words[0]}"
            )
        if demand.code == SIGNATURE:
            return (
                ""
                if self._signed(text, brackets="【" in demand.words)
                else "text: does not begin with the sender's name"
            )
        return "" if self._can_leave(words) else "unsubscribe: there is no way to leave in every part"

    def _signed(self, text: str, *, brackets: bool) -> bool:
        signed = _SIGNED.match(text)
        if brackets:
            return signed is not None
        begun = signed[1] if signed else text.lstrip(_OPENING)
        return begun.casefold().startswith(self._names) if self._names else False

    def _can_leave(self, words: Words) -> bool:
        if self._channel.kind == "sms":
            text = words.bodies[0]
            answers = takes_answers(self._channel.sender)
            own = self._own_words and answers
            return (
                own or bool(words.leave and words.leave in text) or says_how_to_leave([text], answers=answers)
            )
        return bool(words.leave) and all(
            words.leave in body or words.leave in unescape(body) for body in words.bodies
        )


def words_of_email(payload: bytes, leave: str) -> Words:
    """Return the words of a finished e-mail as it travels."""
    # The old policy of the standard library reads six times as fast as the new one, and there is nothing here to repair.
    message = message_from_bytes(payload)
    bodies = []
    for part in message.walk():
        if part.get_content_maintype() == "text":
            raw = part.get_payload(decode=True)
            assert isinstance(raw, bytes)
            bodies.append(raw.decode(part.get_content_charset("utf-8"), "replace"))
    return Words(str(make_header(decode_header(message.get("Subject", "")))), tuple(bodies), leave)


def hosts_in(body: str) -> set[str]:
    """Return the hosts of the links in a text, in small letters."""
    return {host for url in _LINK.findall(unescape(body)) if (host := urlsplit(url).hostname)}


def _labelled(subject: str, labels: tuple[str, ...]) -> bool:
    begun = subject.lstrip(_OPENING).casefold()
    for label in labels:
        rest = begun.removeprefix(label.casefold())
        # "Advent" is no label.
        if rest != begun and not (label.isascii() and rest[:1].isascii() and rest[:1].isalpha()):
            return True
    return False


def _plain(body: str) -> str:
    return unescape(_TAGS.sub(" ", body))


def _letters(text: str) -> str:
    """Return the letters and digits of a text: how an address is broken into lines is a matter of taste."""
    return "".join(sign for sign in text.casefold() if sign.isalnum())
