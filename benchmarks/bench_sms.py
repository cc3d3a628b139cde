"""Text messages rendered, linked and cut into segments, against the plain way, same words, same run.

The plain way renders the same template with Jinja2's own sandbox, makes a long signed link by a regular expression, and
counts and cuts sign by sign with a dictionary. Target: 20,000 messages per CPU-second; on a machine that is slower whatever the code
does, at least 2.5 times the plain way of the same run. CPU time of this process, best of three rounds. The exit code is 1
where neither holds.
"""

from __future__ import annotations

import hmac
import json
import re
import sys
import time
from collections.abc import Callable

from jinja2.sandbox import ImmutableSandboxedEnvironment

from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.gsm import BASIC, EXTENSION
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.sms.compile import compile_sms
from tidings.templates.sms.message import SmsText
from tidings.tokens.keyring import KeyRing
from tidings.tokens.short import ShortMinter

QUICK = "--quick" in sys.argv
TARGET, RATIO = 20_000, 2.5
KEY = b"0123456789abcdef0123456789abcdef"
BASE = "https://t.example"
TEXTS = {
    "en": 'Hello {{ full_name or "friend" }}, spring is here: 25% off your next order until 16 March, in the shop and at '
    "https://shop.example/spring\n",
    "ru": 'Здравствуйте, {{ full_name or "друг" }}! Весна пришла: скидка 25% на следующий заказ до 16 марта, в магазине '
    "и на https://shop.example/spring\n",
    "zh-TW": '{{ full_name or "親愛的朋友" }}您好，春天來了：3 月 16 日前下一筆訂單七五折，門市與網站皆可使用 '
    "https://shop.example/spring\n",
}
NAMES = {"en": "Anna-Maria", "ru": "Александра", "zh-TW": "王小明"}
URL = re.compile(r"https://shop\.example/\S+")
UNITS = dict.fromkeys(BASIC, 1) | dict.fromkeys(EXTENSION, 2)


def ours(locale: str) -> Callable[[int], SmsText]:
    """Return what writes and cuts message number n."""
    minter = ShortMinter(KeyRing.from_text("bench:" + "ab" * 32))
    urls = MessageUrls(
        click=lambda message, position, _: f"{BASE}/s/{minter.mint(40_000 + position, message)}",
        pixel=lambda _: "",
        unsubscribe=lambda message: f"{BASE}/s/{minter.mint(0, message)}",
    )
    made = compile_sms(
        {f"sms.{locale}.txt": TEXTS[locale].encode()},
        folder="templates/bench",
        locale=locale,
        fallback_locale=locale,
        texts={},
        attributes=Attributes((Attribute("full_name", "text"),)),
        sender="+46701112233",
        public_url=BASE,
    )

    def write(number: int) -> SmsText:
        values = {"full_name": f"{NAMES[locale]} {number}"}
        return made.fill(Recipient(5_000_000 + number, "k", "+46701112233", locale, values), urls)

    return write


def plain(locale: str) -> Callable[[int], list[str]]:
    """Return what does the same the plain way; it looks at no clusters."""
    template = ImmutableSandboxedEnvironment().from_string(TEXTS[locale])

    def write(number: int) -> list[str]:
        text = template.render({"full_name": f"{NAMES[locale]} {number}"})

        def link(found: re.Match[str]) -> str:
            return f"{BASE}/c/{hmac.digest(KEY, f'{number}{found[0]}'.encode(), 'sha256').hex()[:22]}"

        text = URL.sub(link, text) + "\nReply STOP to opt out"
        wide = any(sign not in UNITS for sign in text)
        widths = [len(sign.encode("utf-16-le")) // 2 if wide else UNITS[sign] for sign in text]
        if sum(widths) <= (70 if wide else 160):
            return [text]
        parts, units = [""], 0
        for sign, width in zip(text, widths, strict=True):
            if units + width > (67 if wide else 153):
                parts.append("")
                units = 0
            parts[-1] += sign
            units += width
        return parts

    return write


def microseconds(write: Callable[[int], object], count: int) -> float:
    """Return the CPU time of one message, best of three rounds."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        for number in range(count):
            write(number)
        best = min(best, (time.process_time() - began) / count)
    return best * 1e6


def main() -> int:
    """Measure both for each language and print the ratios."""
    count = 2_000 if QUICK else 20_000
    figures: dict[str, dict[str, float]] = {}
    missed = 0
    for locale in TEXTS:
        fast, slow = ours(locale), plain(locale)
        fast_us, slow_us = microseconds(fast, count), microseconds(slow, count)
        figures[locale] = {
            "segments": fast(1).segmented.count,
            "us": round(fast_us, 1),
            "plain_us": round(slow_us, 1),
            "messages_per_cpu_second": round(1e6 / fast_us),
            "ratio": round(slow_us / fast_us, 1),
        }
        missed |= 1e6 / fast_us < TARGET and slow_us / fast_us < RATIO
    if "--json" in sys.argv:
        print(json.dumps(figures))
        return int(missed)
    print(
        f"text messages filled, linked and cut (target {TARGET:,} a CPU-second, or {RATIO} times the plain way)"
    )
    for locale, one in figures.items():
        print(
            f"  {locale:<6} {one['messages_per_cpu_second']:>8,} a CPU-second   {one['us']:>6} us   plain {one['plain_us']:>6} us"
            f"   ratio {one['ratio']}   {one['segments']:.0f} segment(s)"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
