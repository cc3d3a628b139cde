"""What the text messages of an audience come to: messages, segments and money, counted with everybody's own values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidings.definitions.kinds.channel import Channel
from tidings.definitions.money import whole_minor
from tidings.definitions.values import Money
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.sms.compile import sample_urls
from tidings.templates.sms.message import CompiledSms
from tidings.templates.values import RenderError


@dataclass(frozen=True, slots=True)
class SmsEstimate:
    """How many messages go out in how many segments; estimates of several wordings are added up with `+`.

    `by_encoding` counts messages by `gsm7` and `ucs2`; `longest` is the most segments of one message; `refused` are
    those that cannot be written, for a value that the text needs is unknown.
    """

    messages: int = 0
    segments: int = 0
    by_encoding: Mapping[str, int] = field(default_factory=dict)
    longest: int = 0
    refused: int = 0

    def __add__(self, other: SmsEstimate) -> SmsEstimate:
        return SmsEstimate(
            self.messages + other.messages,
            self.segments + other.segments,
            dict(Counter(self.by_encoding) + Counter(other.by_encoding)),
            max(self.longest, other.longest),
            self.refused + other.refused,
        )

    def cost(self, channel: Channel) -> Money | None:
        """Return what they cost by a channel, by the segment or by the message; None where the channel names no cost."""
        if channel.cost is None:
            return None
        units = self.segments if channel.cost_unit == "segment" else self.messages
        return Money(whole_minor(channel.cost.millionths * units), channel.cost.currency)


def estimate(
    compiled: CompiledSms,
    rows: Iterable[Mapping[str, Any]],
    *,
    public_url: str = "https://example.com",
    urls: MessageUrls | None = None,
) -> SmsEstimate:
    """Return what the texts of many customers come to; each row holds the stored values of `compiled.variables`.

    Links count with the longest token there can be, unless `urls` says otherwise.
    """
    links = urls or sample_urls(public_url)
    segments = longest = refused = 0
    encodings: Counter[str] = Counter()
    for row in rows:
        try:
            segmented = compiled.fill(Recipient(0, "", "", compiled.locale, row), links).segmented
        except RenderError:
            refused += 1
            continue
        encodings[str(segmented.encoding)] += 1
        segments += segmented.count
        longest = max(longest, segmented.count)
    return SmsEstimate(encodings.total(), segments, dict(encodings), longest, refused)
