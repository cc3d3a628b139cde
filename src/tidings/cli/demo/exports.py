"""What the simulated shop hands over: its customers and their orders as CSV files."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

from tidings.cli.demo.coupons import profit
from tidings.cli.demo.people import PLACES, Person, everybody
from tidings.cli.demo.reaching import Reached, fax_of, in_text_club, phone_of, reached, with_fax


def write_customers(path: Path, today: datetime, count: int) -> None:
    """Write the shop's customer export. A few rows are bad, as in any real export."""
    fax = with_fax(count)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(
            "customer_id email phone fax locale time_zone country name birthday member_level interests "
            "lifetime_value last_order_at orders newsletter sms_ok fax_ok".split()
        )
        for one in everybody(count):
            way = reached(one)
            country, locale, zone, _ = PLACES[one.place]
            last = min((days for days, _, _ in one.past_orders), default=None)
            has_fax = one.number in fax
            rows.writerow(
                [
                    one.key,
                    _email(one, way),
                    phone_of(one, way),
                    fax_of(one) if has_fax else "",
                    locale,
                    zone,
                    country,
                    one.name,
                    f"{1950 + one.number % 50}-{1 + one.number % 12:02d}-{1 + one.number % 28:02d}",
                    ("basic", "silver", "gold")[one.number % 3],
                    _interests(one, way),
                    f"{sum(amount for _, amount, _ in one.past_orders) / 100:.2f}",
                    (today - timedelta(days=last)).date().isoformat() if last is not None else "",
                    len(one.past_orders),
                    "yes" if one.consents else "no",
                    "yes" if one.consents and way.sms_ok else "no",
                    "yes" if has_fax else "no",
                ]
            )


def write_orders(path: Path, today: datetime, count: int) -> None:
    """Write the shop's order export."""
    orders = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["order_id", "customer_id", "ordered_at", "total", "profit", "category", "items"])
        for one in everybody(count):
            for days, amount, category in one.past_orders:
                orders += 1
                at = (today - timedelta(days=days)).strftime("%Y-%m-%d %H:%M")
                rows.writerow(
                    [
                        f"O{orders:07d}",
                        one.key,
                        at,
                        f"{amount / 100:.2f}",
                        f"{profit(amount, 0) / 100:.2f}",
                        category,
                        1 + amount % 4,
                    ]
                )


def _email(one: Person, way: Reached) -> str:
    if one.number % 4_001 == 0:
        return "not an address"
    return "" if way.mailbox == "none" else f"{one.key.lower()}@customers.example"


def _interests(one: Person, way: Reached) -> str:
    if one.stops_midway and way.mailbox != "none":
        return "early birds"
    if in_text_club(one, way):
        return "text club"
    return "roses;vegetables" if one.number % 5 == 0 else ""
