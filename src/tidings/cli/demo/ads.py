"""Ads in the demo that cause nothing at all: people look for the shop before an order that they make anyway.

Search ads stand before most orders that would have come without them; display ads were seen by some, whatever they did. Both are
handed over as the files of an advertiser, so that credit can be told from effect.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tidings.cli.demo.people import SEED, Person, everybody

_ZONE = ZoneInfo("Europe/Stockholm")
_BEFORE_ORDER, _OTHERS, _SEEN = 0.55, 0.04, 0.12
# Net and gross price of one click, in cents: the file holds what was billed, with 22 % tax.
_CLICK = 42.7
_WIDE = timedelta(days=13)
_LABELS = {"search": "brand_search", "display": "garden_ads"}


def _touches(anchor: datetime, count: int) -> Iterator[tuple[Person, str, datetime]]:
    for one in everybody(count):
        draw = random.Random(SEED * 2_860_486 + one.number)
        chance, seen = draw.random(), draw.random() < _SEEN
        early, late, any_time = draw.uniform(0.02, 3), draw.random(), draw.random()
        if one.buys["holdout"] and chance < _BEFORE_ORDER:
            at = anchor + timedelta(minutes=one.after_minutes) - timedelta(days=early)
            yield one, "search", at
        elif chance < _OTHERS:
            yield one, "search", anchor + _WIDE * any_time
        if seen:
            yield one, "display", anchor + _WIDE * late


def write_ads(path: Path, anchor: datetime, count: int) -> int:
    """Write whom ads reached, as the advertiser names them: by our number, or by e-mail; return how many rows."""
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow("touch_id at what medium source campaign customer_id e_mail phone visitor".split())
        for one, medium, at in _touches(anchor, count):
            rows += 1
            by_key = one.number % 3 > 0
            out.writerow(
                [
                    f"T-{rows}",
                    f"{at.astimezone(_ZONE):%Y-%m-%d %H:%M:%S}",
                    "click" if medium == "search" else "view",
                    medium,
                    "yandex_direct" if medium == "search" else "nordic_ads",
                    _LABELS[medium],
                    one.key if by_key else "",
                    "" if by_key else f"{one.key.lower()}@customers.example",
                    "",
                    "",
                ]
            )
    return rows


def write_costs(path: Path, anchor: datetime, count: int) -> int:
    """Write what the search ads cost as their seller does: three titles, comma, CP1251, a sum that must agree; return rows."""
    clicks: Counter[str] = Counter()
    for _, medium, at in _touches(anchor, count):
        if medium == "search":
            clicks[f"{at.astimezone(_ZONE):%Y-%m-%d}"] += 1
    # One campaign that nobody could be found for: what it cost stays in the sum.
    rows = [(day, _LABELS["search"], number) for day, number in sorted(clicks.items())]
    rows.append((max(clicks, default=f"{anchor:%Y-%m-%d}"), "summer_tools", 1 + count // 400))
    lines = ["Отчёт по кампаниям Яндекс Директ;;;;", "Клиент: Nordic Garden AB;;;;"]
    lines += [";;;;", "Дата;Кампания;Показы;Клики;Расход"]
    total = 0
    for day, label, number in rows:
        cents = round(number * _CLICK)
        total += cents
        year, month, date = day.split("-")
        lines.append(f"{date}.{month}.{year};{label};{number * 31};{number};{_comma(cents)}")
    every = sum(number for _, _, number in rows)
    lines.append(f";Итого за период;{every * 31};{every};{_comma(total)}")
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode("cp1251"))
    return len(rows)


def _comma(cents: int) -> str:
    whole, rest = divmod(cents, 100)
    return f"{whole:,}".replace(",", " ") + f",{rest:02d}"
