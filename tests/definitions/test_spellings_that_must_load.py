"""Files whose spelling is fixed load to exactly these values."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from support.workspaces import problems_of, small_workspace, write
from tidings.definitions.conditions import (
    AllOfThese,
    AnyOfThese,
    AttributeCondition,
    BetweenDays,
    DidCondition,
    Measure,
    NoneOfThese,
    SegmentCondition,
    Times,
    WithinLast,
)
from tidings.definitions.kinds.campaign import Audience, Goal, Holdout, Variant
from tidings.definitions.kinds.importing import Column, EventsImport, ExperimentImport, Item, Returns, RowTest
from tidings.definitions.loader import load, load_import
from tidings.definitions.values import (
    AllOf,
    Anniversary,
    Between,
    Compared,
    DateRelation,
    Duration,
    Is,
    Known,
    LocalTime,
    Money,
    Not,
    OneOf,
    Order,
    RelativeDate,
    Share,
    TextMatch,
    TextPlace,
    Unit,
    Unknown,
)

ROOT = Path(__file__).resolve().parents[2]
HILLSTROM = """\
import: Hillstrom e-mail test        # a test run elsewhere
kind: experiment
campaign: hillstrom                  # `tidings report hillstrom` answers under this name
customer: customer_id
arm: {column: segment, values: {Mens E-Mail: mens, Womens E-Mail: womens, No E-Mail: holdout}}
outcomes:
  visit: visit
  conversion: conversion
  spend: {column: spend, money: USD}
before: [history]                    # measured before the test; adjusts, never filters
"""
RETAIL = """\
import: Online Retail invoices
kind: events
event: order_placed
order: InvoiceNo                     # rows of one order are one event with items, at its first minute
customer: CustomerID                 # rows without a customer are counted, kept out, and said
at: {column: InvoiceDate, zone: Europe/London}
item: {key: StockCode, name: Description, quantity: Quantity, price: {column: UnitPrice, money: GBP}}
returns: {when: [{Quantity: less than 0}], event: order_returned}
skip:
  - UnitPrice: at most 0
"""


def condition(tmp_path: Path, *lines: str) -> object:
    """Return the one condition of a segment."""
    text = "segment: S\nwhere:\n" + "".join(f"{line}\n" for line in lines)
    return load(small_workspace(tmp_path, {"segments/s.yaml": text})).segments["s"].where[0]


@pytest.mark.parametrize("outside", [False, True])
def test_the_test_run_elsewhere(tmp_path: Path, outside: bool) -> None:
    root = small_workspace(tmp_path / "shop", {} if outside else {"config/imports/hillstrom.yaml": HILLSTROM})
    definitions = load(root)
    if outside:
        write(tmp_path, {"hillstrom.yaml": HILLSTROM})
        found = load_import(tmp_path / "hillstrom.yaml", definitions)
    else:
        found = definitions.imports["hillstrom"]
    assert isinstance(found, ExperimentImport)
    assert (found.id, found.title, found.campaign) == ("hillstrom", "Hillstrom e-mail test", "hillstrom")
    assert found.customer == Column("customer_id")
    assert found.arm == Column(
        "segment", values=(("Mens E-Mail", "mens"), ("Womens E-Mail", "womens"), ("No E-Mail", "holdout"))
    )
    assert found.outcomes == (
        ("visit", Column("visit")),
        ("conversion", Column("conversion")),
        ("spend", Column("spend", money="USD")),
    )
    assert found.before == (("history", Column("history")),)


def test_the_invoices(tmp_path: Path) -> None:
    found = load(small_workspace(tmp_path, {"config/imports/retail.yaml": RETAIL})).imports["retail"]
    assert isinstance(found, EventsImport)
    assert (found.event, found.order, found.customer) == ("order_placed", "InvoiceNo", Column("CustomerID"))
    assert found.at == Column("InvoiceDate", zone="Europe/London")
    assert found.item == Item(
        Column("StockCode"), Column("Quantity"), Column("UnitPrice", money="GBP"), Column("Description")
    )
    assert found.returns == Returns(
        (RowTest((("Quantity", Compared(Order.LESS_THAN, Decimal(0))),)),), "order_returned"
    )
    assert found.skip == (RowTest((("UnitPrice", Compared(Order.AT_MOST, Decimal(0))),)),)


def test_a_whole_campaign(tmp_path: Path) -> None:
    text = """\
campaign: Spring win-back
owner: crm@shop.example
why: "A text: with a colon #1"
purpose: marketing
to: [everybody, lapsed_big_spenders]
except: everybody
send: spring/garden
via: [email]
at: 2027-03-02 10:00
holdout: {share: 12.5%}
variants:
  warm:
    share: 60%
    say:
      headline: {en: Back, zh-TW: 您好, ru: "Привет: да"}
      foot: One text for all  # a comment
  direct:
budget: 2000.50 EUR
expires: 36 hours
goal: {did: order_placed, within: 14 days, with: {category: [garden, tools]}, worth: revenue}
also:
  - {did: order_returned, within: 1 month, worth: order_total, counts: every}
"""
    campaign = load(small_workspace(tmp_path, {"campaigns/c.yaml": text})).campaigns["c"]
    assert campaign.to == Audience(("everybody", "lapsed_big_spenders"), (), ("everybody",))
    assert campaign.at == LocalTime(datetime(2027, 3, 2, 10, 0))
    assert campaign.holdout == Holdout(Share(1250))
    assert campaign.variants == (
        Variant(
            "warm",
            Share(6000),
            (
                ("headline", (("en", "Back"), ("zh-TW", "您好"), ("ru", "Привет: да"))),
                ("foot", "One text for all"),
            ),
        ),
        Variant("direct"),
    )
    assert campaign.goal == Goal(
        "order_placed", Duration(14, Unit.DAY), (("category", OneOf(("garden", "tools"))),), "revenue"
    )
    assert campaign.also == (Goal("order_returned", Duration(1, Unit.MONTH), (), "order_total", "every"),)
    assert (campaign.budget, campaign.expires) == (Money(200050, "EUR"), Duration(36, Unit.HOUR))
    assert campaign.goal.at is not None and campaign.goal.at.line == 20


def test_a_campaign_says_only_what_is_needed(tmp_path: Path) -> None:
    text = "campaign: C\nto: {where: [{orders: 3}]}\nsend: welcome\nvia: email\nholdout: none\n"
    campaign = load(small_workspace(tmp_path, {"campaigns/c.yaml": text})).campaigns["c"]
    assert campaign.to.where == (AttributeCondition("orders", Is(Decimal(3))),)
    assert (campaign.variants, campaign.goal, campaign.holdout) == ((), None, Holdout(Share(0)))
    spring = load(tmp_path).campaigns["spring"]
    assert spring.holdout.auto and spring.via == ("email",) and spring.purpose == "marketing"


TESTS = [
    ("country: NO", Is("NO")),
    ("country: yes", Is("yes")),
    ("country: 01234", Is("01234")),
    ("country: 1.10", Is("1.10")),
    ("country: 22:30", Is("22:30")),
    ("country: [NO, SE]", OneOf(("NO", "SE"))),
    ("country: {not: [DE, AT]}", Not(OneOf(("DE", "AT")))),
    ('country: {is: "at least five"}', Is("at least five")),
    ("country: known", Known()),
    ("country: unknown", Unknown()),
    ('full_name: starts with "A b"', TextMatch(TextPlace.STARTS, "A b")),
    ("full_name: ends with son", TextMatch(TextPlace.ENDS, "son")),
    ("full_name: contains 王", TextMatch(TextPlace.CONTAINS, "王")),
    ("會員等級: 金", Is("金")),
    ("member_level: {not: gold}", Not(Is("gold"))),
    ("orders: at least 2", Compared(Order.AT_LEAST, Decimal(2))),
    ("orders: less than 2.5", Compared(Order.LESS_THAN, Decimal("2.5"))),
    ("orders: between 5 and 10", Between(Decimal(5), Decimal(10))),
    ("orders: -3", Is(Decimal(-3))),
    ("lifetime_value: more than 500", Compared(Order.MORE_THAN, Decimal(500), "EUR")),
    ("lifetime_value: at most 500.25 EUR", Compared(Order.AT_MOST, Decimal("500.25"), "EUR")),
    ("lifetime_value: between 1 EUR and 2 EUR", Between(Decimal(1), Decimal(2), "EUR")),
    ("lifetime_value: 500 EUR", Is(Decimal(500))),
    ("birthday: 1980-02-29", Is(date(1980, 2, 29))),
    ("birthday: at least 1980-01-01", Compared(Order.AT_LEAST, date(1980, 1, 1))),
    ("birthday: between 1980-01-01 and 1989-12-31", Between(date(1980, 1, 1), date(1989, 12, 31))),
    ("birthday: anniversary today", Anniversary(0)),
    ("birthday: anniversary in the next 2 weeks", Anniversary(14)),
    (
        "last_order_at: more than 90 days ago",
        RelativeDate(DateRelation.MORE_THAN_AGO, Duration(90, Unit.DAY)),
    ),
    ("last_order_at: in the last 30 days", RelativeDate(DateRelation.IN_THE_LAST, Duration(30, Unit.DAY))),
    ("last_order_at: in the next 1 month", RelativeDate(DateRelation.IN_THE_NEXT, Duration(1, Unit.MONTH))),
    (
        "last_order_at: more than 30 days from now",
        RelativeDate(DateRelation.MORE_THAN_FROM_NOW, Duration(30, Unit.DAY)),
    ),
    ("signed_up_at: more than 2027-01-01 10:00", Compared(Order.MORE_THAN, datetime(2027, 1, 1, 10, 0))),
    (
        "signed_up_at: {not: in the last 3 hours}",
        Not(RelativeDate(DateRelation.IN_THE_LAST, Duration(3, Unit.HOUR))),
    ),
    ("vip: true", Is(True)),
    ("interests: [roses, trees]", OneOf(("roses", "trees"))),
    ("interests: {all: [roses, trees]}", AllOf(("roses", "trees"))),
    ("interests: {not: [roses]}", Not(OneOf(("roses",)))),
    ("interests: roses", Is("roses")),
]


@pytest.mark.parametrize("line, test", TESTS, ids=[line for line, _ in TESTS])
def test_a_phrase_means(line: str, test: object, tmp_path: Path) -> None:
    found = condition(tmp_path, f"  - {line}")
    assert found == AttributeCondition(line.split(":", maxsplit=1)[0], test)
    assert type(found.test) is type(test)


TIMES = [
    ("at least 2", Times(2, None)),
    ("at most 3", Times(0, 3)),
    ("3", Times(3, 3)),
    ("exactly 3", Times(3, 3)),
    ("more than 2", Times(3, None)),
    ("less than 3", Times(0, 2)),
    ("between 2 and 5", Times(2, 5)),
    ("0", Times(0, 0)),
    ("none", Times(0, 0)),
]


@pytest.mark.parametrize("text, times", TIMES)
def test_how_many_times(text: str, times: Times, tmp_path: Path) -> None:
    assert condition(tmp_path, "  - did: order_placed", f"    times: {text}") == DidCondition(
        "order_placed", times
    )


def test_behaviour_in_full(tmp_path: Path) -> None:
    assert condition(
        tmp_path,
        "  - did_not: order_placed",
        "    times: at least 2",
        "    between: 2027-01-01 and 2027-03-31",
        "    with: {category: [garden, tools], items: more than 1}",
        "    total: {order_total: at least 500}",
    ) == DidCondition(
        "order_placed",
        Times(2, None),
        BetweenDays(date(2027, 1, 1), date(2027, 3, 31)),
        (("category", OneOf(("garden", "tools"))), ("items", Compared(Order.MORE_THAN, Decimal(1)))),
        Measure("total", "order_total", Compared(Order.AT_LEAST, Decimal(500), "EUR")),
        negated=True,
    )
    assert condition(tmp_path, "  - did: clicked", "    within: last 6 hours") == DidCondition(
        "clicked", window=WithinLast(Duration(6, Unit.HOUR))
    )


def test_groups_and_references(tmp_path: Path) -> None:
    found = condition(
        tmp_path,
        "  - any:",
        "      - segment: everybody",
        "      - none: [{country: [RU, BY]}]",
        "      - all: [{vip: true}, {orders: 1}]",
        "      - country: SE",
        "        vip: false",
    )
    country_and_vip = AllOfThese(
        (AttributeCondition("country", Is("SE")), AttributeCondition("vip", Is(False)))
    )
    assert found == AnyOfThese(
        (
            SegmentCondition("everybody"),
            NoneOfThese((AttributeCondition("country", OneOf(("RU", "BY"))),)),
            AllOfThese((AttributeCondition("vip", Is(True)), AttributeCondition("orders", Is(Decimal(1))))),
            country_and_vip,
        )
    )


def test_policies_and_environments(tmp_path: Path) -> None:
    policies = """\
policies: Rules
purposes:
  marketing: {class: marketing, holdout: 5%, in_doubt: treat as sent}
global_control: 2.5%
drift: 5% or 20 people
expires: 2 days
"""
    found = load(small_workspace(tmp_path, {"config/policies.yaml": policies})).policies
    marketing = found.purpose("marketing")
    assert marketing is not None
    assert (marketing.holdout, marketing.in_doubt, marketing.consent) == (
        Share(500),
        "treat as sent",
        "required",
    )
    assert (found.global_control, found.drift_share, found.drift_people) == (Share(250), Share(500), 20)
    assert found.expires_after_hours == 48


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbfsegment: S\r\nwhere:\r\n  - country: SE\r\n"
    assert problems_of(tmp_path, {"segments/s.yaml": content}) == []


def test_a_listed_segment_needs_no_conditions(tmp_path: Path) -> None:
    root = small_workspace(
        tmp_path, {"segments/台北名單.yaml": "segment: 台北園藝展 2027 名單\nmembers: listed\n"}
    )
    assert load(root).segments["台北名單"].members == "listed"


def test_the_workspace_of_the_repository_loads() -> None:
    definitions = load(ROOT)
    assert definitions.campaigns["spring_winback"].budget == Money(200000, "EUR")
    assert {"config/workspace.yaml", "segments/lapsed_buyers.yaml"} <= set(definitions.files)


def _yaml_blocks() -> list[tuple[str, str, dict[str, str]]]:
    """Return every block with its page and the files that the reader of the page has saved by then."""
    pages = [*ROOT.glob("*/README.md"), *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    blocks = []
    for page in pages:
        text = page.read_text()
        for block in re.finditer(r"```yaml\n(.*?)```", text, re.DOTALL):
            saved = re.findall(
                r"`([\w.-]+/[\w/.-]+)`[^\n`]*\n\n```\w+\n(.*?)```", text[: block.start()], re.DOTALL
            )
            blocks.append((str(page.relative_to(ROOT)), block[1], dict(saved)))
    return blocks


@pytest.mark.parametrize("page, block, saved", _yaml_blocks(), ids=[page for page, *_ in _yaml_blocks()])
def test_every_yaml_block_in_the_documentation_loads(
    page: str, block: str, saved: dict[str, str], tmp_path: Path
) -> None:
    folders = {
        "segment": "segments/shown.yaml",
        "campaign": "campaigns/shown.yaml",
        "flow": "flows/shown.yaml",
        "channel": "channels/shown.yaml",
        "import": "config/imports/shown.yaml",
    }
    kind = re.sub(r"(?m)^(#.*)?\n", "", block).split(":", 1)[0]
    files: dict[str, str | bytes | None] = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for folder in ("config", "segments", "channels", "campaigns", "templates")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in (".yaml", ".html", ".txt")
    }
    files["templates/spring_winback/email.en.txt"] = "Hello"
    if kind in (
        "attributes",
        "events",
        "policies",
        "workspace",
        "staff",
        "holidays",
        "attribution",
        "goals",
        "scores",
    ):
        # What stands in the block is checked in place of the file; what others say about it is not its matter.
        path = f"config/{kind}.yaml"
    else:
        path = folders[kind]
    found = [
        one for one in problems_of_files(tmp_path, {**files, **saved, path: block}) if one.startswith(path)
    ]
    # Flows whose offers a page names need not stand on it, too.
    assert [one for one in found if "REF16" not in one] == []


def problems_of_files(root: Path, files: dict[str, str | bytes | None]) -> list[str]:
    from tidings.definitions.loader import check

    return [problem.render() for problem in check(write(root, files))[1]]
