"""Human, machine or unknown: signals of raw hits and what follows from them. Judged, never deleted, again at any time.

Rules, version 4. A hit has signals; each is strong, weak or a proxy's for an open or a click. Early is less than 150 s after the
message was delivered, or where nobody knows when that was; a hand is a network with a program (User-Agent):

| signal | holds when | open | click |
|---|---|---|---|
| provider | the provider of the channel says that a machine did it | machine_proxy | machine_scanner |
| head | the method was HEAD | machine_scanner | machine_scanner |
| prefetch | Sec-Purpose, Purpose or X-Moz said prefetch or preview | prefetch | prefetch |
| no_agent | no User-Agent, unless a provider told it, which need not name one | machine_scanner | machine_scanner |
| mail_privacy | the User-Agent is exactly `Mozilla/5.0` (Apple Mail loads every picture by itself) | machine_proxy | |
| robot | the User-Agent names a known robot, scanner or program | machine_scanner | machine_scanner |
| trap | a link that nobody can see, or within 60 s of one of the same message | | machine_scanner |
| too_fast | less than 2 s after the message was delivered (accepted, where nobody told of delivery) | machine_scanner | machine_scanner |
| swept_links | 60 % of the links of a message were followed within 5 s, three at least, five where it is not early | | machine_scanner |
| first_then_last | early, the first link of 3 or more, and the last within 10 s after it | | machine_scanner |
| combed | a hand followed 60 % of the links within 2 min, three at least; not early: five at least, over 12 s or more | | machine_scanner |
| hasty | two different links of one message within 2 s, less than a minute after the message was delivered | | machine_scanner |
| in_turns | early, two different links of one message from two networks within 10 s | | machine_scanner |
| echoed | the same link was followed from another network within 4 s after it | | machine_scanner |
| blind | the same hand loaded the picture less than a second before | | machine_scanner |
| same_hand | within 2 min of another hit of its hand that is too_fast, swept, first_then_last, combed, hasty or in_turns | machine_scanner | machine_scanner |
| many_networks | early, 3 or more networks for one message within 30 s, proxies, relays and Microsoft not counted | machine_scanner | machine_scanner |
| network_burst | one network followed links of 10 or more recipients within 60 s | machine_scanner | machine_scanner |
| security | the network of a maker of mail filters | weak | machine_scanner |
| microsoft | a network of Microsoft; on a picture it may be the proxy of Outlook | unknown | machine_scanner |
| datacentre | a network of machines for rent | weak | machine_scanner |
| relay | a relay of Apple | machine_proxy | |
| image_proxy | Gmail's, Yahoo's or Outlook's picture proxy: a person may stand behind it or not | unknown | machine_scanner |
| fast | less than 10 s after the message was delivered | weak | weak |
| prompt | 10 s to 25 s after the message was delivered | | weak |
| hurried | early, two different links of one message within 2 s | | weak |
| no_picture | a click in an e-mail that is fast, prompt or hurried, and from a minute to a second before it no picture was loaded | | weak |
| ordered | its customer ordered within 30 minutes after it, and followed no other link in between | | human |
| visited | its page told within 30 minutes that somebody acted there (`landing`), and the program followed no other link in between | | human |

The first strong one in this order gives the class and the reason; without one, two weak ones make a machine_scanner
and a proxy's makes unknown; everything else is human. `ordered` and `visited` go before what a person can do as well: hasty,
in_turns, blind, same_hand, many_networks, network_burst, the networks, and weak ones. The open of a message has network_burst
when its click from the same network has.

Version 3 knew no hands, echoes, turns and visits, and took who opens several tabs, or sends a message on, for a machine at any time.

Unsubscribing is always human: only a POST or an answer can do it. An answer is human unless it says of itself that a
machine wrote it (`provider`). A click implies no open of its own; whoever counts openers counts people who opened or
clicked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from tidings.responses.agents import MAIL_PRIVACY, kind_of_agent
from tidings.responses.crowds import NO_LINKS, TRAP, Seen, Wording
from tidings.responses.networks import Networks

RULES_VERSION = 4

TOO_FAST = 2_000_000
FAST = 10_000_000
# A click this soon is a filter's as often as a person's, unless a picture shows that somebody looked.
PROMPT = 25_000_000
PICTURE_SPAN = 60_000_000
# Who follows two links at once in the first minute has not read the message; later it may be somebody who opens tabs.
SOON = 60_000_000
# Filters look at delivery, and most are done by then; after it, who opens links at once may be a person with tabs.
EARLY = 150_000_000
# Nobody sees a message and follows a link of it within a second.
LEAST_LOOK = 1_000_000
# Filters look into a message before they say that it is delivered; a delivery told of much later than somebody followed
# a link of it goes by another clock.
_COMPARABLE = 60_000_000

CLASSES = ("human", "machine_proxy", "machine_scanner", "prefetch", "unknown")

# The method of a hit that a provider told of, and that of an answer of a person.
BY_PROVIDER, BY_ANSWER = "EVENT", "ANSWER"
_ALWAYS_HUMAN = frozenset(("unsubscribe", "stop"))

_SCANNER, _PROXY, _WEAK = "machine_scanner", "machine_proxy", "weak"
# Signal: what it makes of an open, what of a click; in the order in which they give the reason.
_WEIGHTS: Mapping[str, tuple[str | None, str | None]] = {
    "provider": (_PROXY, _SCANNER),
    "head": (_SCANNER, _SCANNER),
    "prefetch": ("prefetch", "prefetch"),
    "no_agent": (_SCANNER, _SCANNER),
    "mail_privacy": (_PROXY, None),
    "robot": (_SCANNER, _SCANNER),
    "trap": (None, _SCANNER),
    "too_fast": (_SCANNER, _SCANNER),
    "swept_links": (None, _SCANNER),
    "first_then_last": (None, _SCANNER),
    "combed": (None, _SCANNER),
    "hasty": (None, _SCANNER),
    "in_turns": (None, _SCANNER),
    "echoed": (None, _SCANNER),
    "blind": (None, _SCANNER),
    "same_hand": (_SCANNER, _SCANNER),
    "many_networks": (_SCANNER, _SCANNER),
    "network_burst": (_SCANNER, _SCANNER),
    "security": (_WEAK, _SCANNER),
    "microsoft": ("unknown", _SCANNER),
    "datacentre": (_WEAK, _SCANNER),
    "relay": (_PROXY, None),
    "image_proxy": ("unknown", _SCANNER),
    "fast": (_WEAK, _WEAK),
    "prompt": (None, _WEAK),
    "hurried": (None, _WEAK),
    "no_picture": (None, _WEAK),
    "ordered": (None, None),
    "visited": (None, None),
}
SIGNALS = tuple(_WEIGHTS)
_PROOFS = ("ordered", "visited")
# Signs of a machine that a person may have too: somebody in an office of many, or behind the network of a filter.
_POSSIBLE = frozenset(
    (
        "hasty",
        "in_turns",
        "blind",
        "same_hand",
        "many_networks",
        "network_burst",
        "security",
        "microsoft",
        "datacentre",
        "relay",
        "fast",
        "prompt",
        "hurried",
        "no_picture",
        "ordered",
        "visited",
    )
)
# Hits beside which a person may follow the same message from a network of their own: how many networks there were says
# nothing then. What a filter asks for from networks of its makers does count.
_EXPLAINED = frozenset(("mail_privacy", "image_proxy", "relay", "microsoft", "prefetch", "head"))


@dataclass(frozen=True, slots=True)
class Hit:
    """A raw hit with what the rules need; instants in microseconds.

    `accepted_at` and `delivered_at` say when the provider took the message and when it says to have delivered it;
    `wording` are the links of its words.
    """

    id: int
    kind: str
    method: str
    message_id: int
    customer_id: int
    url: str
    at: int
    network: str | None
    user_agent: str
    prefetch: bool
    accepted_at: int | None
    delivered_at: int | None = None
    wording: Wording = NO_LINKS
    machine: bool = False

    @property
    def place(self) -> int:
        """Return where the link of a click stands in its message (`crowds`)."""
        return self.wording.places.get(self.url, 0)

    @property
    def since(self) -> int | None:
        """Return how long after its delivery the message was asked for, after its acceptance where nobody told of that."""
        if self.method == BY_PROVIDER and self.at == self.delivered_at:
            # Told in one call, neither with an instant of its own.
            return None
        if self.delivered_at is not None and self.at >= self.delivered_at - _COMPARABLE:
            return self.at - self.delivered_at
        return None if self.accepted_at is None else self.at - self.accepted_at


@dataclass(frozen=True, slots=True)
class Verdict:
    """A class, the signal that gave it, and all signals of the hit in the order of the rules."""

    kind: str
    reason: str | None = None
    signals: tuple[str, ...] = ()

    @property
    def judged(self) -> str:
        """Return human, machine or unknown."""
        return self.kind if self.kind in ("human", "unknown") else "machine"

    @property
    def told(self) -> str | None:
        """Return the signals as the store keeps them: their names, blanks between; None for none."""
        return " ".join(self.signals) or None


def signals_alone(hit: Hit, networks: Networks) -> frozenset[str]:
    """Return the signals that a hit shows by itself, without looking at the others."""
    if hit.kind in _ALWAYS_HUMAN:
        return frozenset()
    if hit.kind not in ("open", "click"):
        return frozenset(("provider",)) if hit.machine else frozenset()
    own = _of_request(hit.kind, hit.method, hit.user_agent, hit.prefetch)
    found = set(own)
    if hit.machine:
        found.add("provider")
    if hit.network is not None and (kind := networks.kind(hit.network)) is not None:
        found.add("image_proxy" if kind == "proxy" else kind)
    if (since := hit.since) is not None and since < FAST:
        found.add("too_fast" if since < TOO_FAST else "fast")
    elif since is not None and since < PROMPT and hit.kind == "click":
        found.add("prompt")
    if hit.kind == "click" and hit.place & TRAP:
        found.add("trap")
    return own if found == own else frozenset(found)


@lru_cache(maxsize=4096)
def _of_request(kind: str, method: str, agent: str, prefetch: bool) -> frozenset[str]:
    found = set()
    if method == "HEAD":
        found.add("head")
    if prefetch:
        found.add("prefetch")
    if not agent and method != BY_PROVIDER:
        found.add("no_agent")
    if kind == "open" and agent == MAIL_PRIVACY:
        found.add("mail_privacy")
    if (named := kind_of_agent(agent)) is not None:
        found.add(named)
    return frozenset(found)


def seen(hit: Hit, signals: Iterable[str]) -> Seen:
    """Return a hit as the signs of many hits look at it."""
    network = hit.network if _EXPLAINED.isdisjoint(signals) else None
    links, place = hit.wording.links, hit.place
    early = (since := hit.since) is None or since < EARLY
    return Seen(
        hit.id, hit.kind, hit.message_id, hit.customer_id, hit.url, hit.at, network, links, place,
        (hit.network, hit.user_agent), early,
    )  # fmt: skip


@lru_cache(maxsize=4096)
def verdict(kind: str, signals: frozenset[str]) -> Verdict:
    """Return what follows from the signals of a hit of a kind (open, click, reply, stop, unsubscribe)."""
    ordered = tuple(name for name in SIGNALS if name in signals)
    if kind not in ("open", "click"):
        machine = "provider" in signals and kind not in _ALWAYS_HUMAN
        return Verdict("machine_scanner", "provider", ordered) if machine else Verdict("human", None, ordered)
    place = 0 if kind == "open" else 1
    proof = next((name for name in _PROOFS if name in signals), None)
    if proof is not None and signals <= _POSSIBLE:
        return Verdict("human", proof if signals.difference(_PROOFS) else None, ordered)
    weights = [(name, _WEIGHTS[name][place]) for name in ordered]
    for name, weight in weights:
        if weight not in (None, _WEAK, "unknown"):
            assert weight is not None
            # A picture proxy that asks before anybody could look belongs to the mail program.
            proxied = name == "too_fast" and kind == "open" and "image_proxy" in signals
            return Verdict(_PROXY if proxied else weight, name, ordered)
    weak = [name for name, weight in weights if weight == _WEAK]
    if len(weak) > 1:
        return Verdict(_SCANNER, weak[0], ordered)
    for name, weight in weights:
        if weight == "unknown":
            # Microsoft's network within seconds after delivery is the filter's rather than somebody's Outlook.
            if name == "microsoft" and weak:
                return Verdict(_SCANNER, name, ordered)
            return Verdict("unknown", name, ordered)
    return Verdict("human", None, ordered)


def read_signals(told: str | None, reason: str | None = None) -> frozenset[str]:
    """Return signals as the store keeps them; of a judgement under rules before version 3, its reason."""
    if told is None:
        return frozenset((reason,)) if reason is not None and reason in _WEIGHTS else frozenset()
    return frozenset(told.split())
