"""Seeded customers of a small shop, with what each would do if written to and if not.

Potential outcomes are drawn for each customer by number, before anything is sent and independent of when it is: what a
person does depends on the arm alone, so the true effect is known exactly.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

SEED = 20270303

# Share of people who buy within 14 days anyway, and the points each wording adds.
BASE_RATE = 0.060
LIFT = {"warm": 0.020, "direct": 0.035}

# Given and family names by place, in the order of PLACES; a Taiwanese family name stands first.
_NAMES = (
    (
        "Anna Erik Karin Lars Sofia Nils Eva Maja Axel".split(),
        "Berg Lind Holm Dahl Ek Falk Åberg Nyström".split(),
    ),
    ("怡君 志明 淑芬 俊傑 雅婷 家豪".split(), "王 陳 林 張 李 黃".split()),
    ("Jonas Lena Paul Greta Felix Ida".split(), "Krüger Vogel Brandt Seidel Frank Lorenz".split()),
    ("Ольга Мария Елена Анна Ирина".split(), "Соколова Иванова Кузнецова Орлова".split()),
)
PLACES = (
    ("SE", "sv", "Europe/Stockholm", 46),
    ("TW", "zh-TW", "Asia/Taipei", 30),
    ("DE", "en", "Europe/Berlin", 14),
    ("RU", "ru", "Europe/Moscow", 10),
)


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated customer: attributes, and what they would do under each arm.

    `rate` is how many orders a year somebody makes: what a score should find out.
    `buys` maps arm or variant to an amount in minor units, 0 for no order. `opens`, `clicks` and `unsubscribes` happen only
    to those who got a message; `scanned` means a gateway fetches every link first.
    """

    number: int
    key: str
    name: str
    place: int
    lapsed: bool
    rate: float
    consents: bool
    past_orders: tuple[tuple[int, int, str], ...]
    buys: dict[str, int]
    opens: bool
    clicks: bool
    unsubscribes: bool
    scanned: bool
    stops_midway: bool
    after_minutes: int


def person(number: int) -> Person:
    """Return the customer of a number; the same for ever, whatever was asked before."""
    draw = random.Random(SEED * 1_000_003 + number)
    place = draw.choices(range(len(PLACES)), weights=[place[3] for place in PLACES])[0]
    lapsed = draw.random() < 0.86
    # Who went quiet buys more seldom, and by chance nothing of late.
    if lapsed:
        rate = draw.gammavariate(3.0, 0.5)
        when = _ordered(draw, rate, 100, 2)
    else:
        rate = 0.0 if draw.random() < 1 / 3 else draw.gammavariate(1.5, 4.0)
        when = _ordered(draw, rate, 5, 0)
    orders = [
        (days, round(draw.lognormvariate(3.9, 0.5) * 100), draw.choice(("garden", "tools", "pots")))
        for days in when
    ]
    chance, amount = draw.random(), round(draw.lognormvariate(4.0, 0.45) * 100)
    rates = {"holdout": BASE_RATE, **{variant: BASE_RATE + lift for variant, lift in LIFT.items()}}
    # One draw for all arms: who buys without a message buys with one too, so an effect is never negative.
    buys = {arm: amount if chance < rate else 0 for arm, rate in rates.items()}
    opens = draw.random() < 0.35
    return Person(
        number=number,
        key=f"C{number:06d}",
        name=_name(place, draw),
        place=place,
        lapsed=lapsed,
        rate=rate,
        consents=draw.random() < 0.96,
        past_orders=tuple(orders),
        buys=buys,
        opens=opens,
        clicks=opens and draw.random() < 0.25,
        unsubscribes=draw.random() < 0.004,
        scanned=draw.random() < 0.05,
        stops_midway=draw.random() < 0.008,
        after_minutes=draw.randrange(30, 13 * 24 * 60),
    )


def _ordered(draw: random.Random, rate: float, since: int, least: int) -> list[int]:
    """Return how many days ago somebody ordered at a steady rate a year, not within the last `since` days; the last first."""
    when: list[int] = []
    days = float(since)
    while rate and len(when) < 40:
        days += draw.expovariate(rate / 365)
        if days >= 725:
            break
        when.append(round(days))
    return sorted(when + [draw.randrange(since, 725) for _ in range(least - len(when))])


def _name(place: int, draw: random.Random) -> str:
    given, family = (draw.choice(names) for names in _NAMES[place])
    return f"{family}{given}" if PLACES[place][0] == "TW" else f"{given} {family}"


def everybody(count: int) -> Iterator[Person]:
    """Yield the first `count` customers."""
    return map(person, range(1, count + 1))
