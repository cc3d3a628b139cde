"""Caps, quiet hours, open cases, topics, holidays, people and fresh imports: what the files of config/ may say of them."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

import pytest

from support.workspaces import FILES, problems_of, small_workspace
from tidings.definitions.contradictions import fits_nothing
from tidings.definitions.hashing import definition_hash, policy_hash
from tidings.definitions.kinds.flow import Person
from tidings.definitions.kinds.importing import CustomersImport, EventsImport
from tidings.definitions.kinds.rules import Cap, CaseOpen, QuietHours
from tidings.definitions.loader import load
from tidings.definitions.values import Duration, Unit

ROOT = Path(__file__).resolve().parents[2]
POLICIES, STAFF, HOLIDAYS = "config/policies.yaml", "config/staff.yaml", "config/holidays.yaml"
RULES = """\
policies: Rules
purposes:
  marketing: {class: marketing, cap: 1 per day and 4 per week, topics: [roses, tools]}
  survey: {class: survey, cap: 1 per 3 days}
  service: {class: service, consent: not needed, quiet: true}
  loud: {class: marketing, quiet: false}
quiet: {sms: 20:00 to 09:00, fax: 12:00 to 13:30}
account_limit: 3 a day
case_open: {opened_by: refund_requested, closed_by: order_returned}
"""


def test_policies_hold_caps_quiet_hours_and_open_cases(tmp_path: Path) -> None:
    rules = load(small_workspace(tmp_path, {POLICIES: RULES})).policies
    marketing, survey, service, loud = rules.purposes
    assert marketing.cap == (Cap(1, Duration(1, Unit.DAY)), Cap(4, Duration(1, Unit.WEEK)))
    assert [one.days for one in (*marketing.cap, *survey.cap)] == [1, 7, 3]
    assert marketing.topics == ("roses", "tools")
    assert [one.keeps_quiet for one in (marketing, survey, service, loud)] == [True, True, True, False]
    assert rules.quiet_hours("sms") == QuietHours("sms", time(20), time(9))
    assert rules.quiet_hours("fax") == QuietHours("fax", time(12), time(13, 30))
    assert rules.quiet_hours("email") is None
    assert rules.account_limit == (Cap(3, Duration(1, Unit.DAY)),)
    assert rules.case_open == CaseOpen("refund_requested", "order_returned")


def test_without_a_word_nothing_is_capped_and_services_keep_no_quiet_hours(tmp_path: Path) -> None:
    rules = load(small_workspace(tmp_path)).policies
    assert (rules.quiet, rules.account_limit, rules.case_open) == ((), (), None)
    assert {one.name: (one.cap, one.keeps_quiet) for one in rules.purposes} == {
        "marketing": ((), True),
        "service": ((), False),
    }


@pytest.mark.parametrize(
    ("right", "wrong", "code", "said"),
    [
        ("1 per day and 4 per week", "once a day", "PHR05", "1 per day and 4 per week"),
        ("1 per day and 4 per week", "1 per hour", "PHR02", "counts whole days"),
        ("1 per day and 4 per week", "4 per day and 3 per week", "PHR08", "the stricter limit"),
        ("1 per day and 4 per week", "1 per fortnight", "PHR02", "not a length of time"),
        ("sms: 20:00 to 09:00", "sms: 20:00", "PHR04", "20:00 to 09:00"),
        ("sms: 20:00 to 09:00", "sms: 20:00 to 20:00", "PHR08", "change one of the two"),
        ("sms: 20:00 to 09:00", "sms: 20:00 to 9:00", "PHR04", "09:00"),
        ("sms: 20:00 to 09:00", "smss: 20:00 to 09:00", "VAL02", 'did you mean "sms"?'),
        ("{opened_by: refund_requested", "{opened_by: refund_request", "REF05", 'did you mean "refund_requested"?'),
        ("{opened_by: refund_requested", "{opened_by: clicked", "KEY07", "no case"),
        ("closed_by: order_returned", "closed_by: refund_requested", "KEY07", "cannot open and close"),
        ("quiet: true", "quiet: yes", "VAL01", "write: true"),
        ("topics: [roses, tools]", "topics: [roses, roses]", "VAL09", "twice"),
        ("account_limit: 3 a day", "cap: 3 a day", "KEY06", "belongs to a purpose"),
    ],
)  # fmt: skip
def test_a_slip_in_the_policies_is_said(right: str, wrong: str, code: str, said: str, tmp_path: Path) -> None:
    assert right in RULES
    (problem,) = problems_of(tmp_path, {POLICIES: RULES.replace(right, wrong)})
    assert (problem.code, problem.at.path) == (code, POLICIES)
    assert problem.at.line == RULES[: RULES.index(right)].count("\n") + 1
    assert said in f"{problem.message} {problem.hint}"


def test_the_rules_are_part_of_their_hash(tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {POLICIES: RULES})
    before = policy_hash(load(root))
    for old, new in (
        ("4 per week", "5 per week"),
        ("20:00", "21:00"),
        ("3 a day", "4 a day"),
        ("roses", "bulbs"),
    ):
        (root / POLICIES).write_text(RULES.replace(old, new))
        assert policy_hash(load(root)) != before, old
    (root / POLICIES).write_text("# a comment\n" + RULES)
    assert policy_hash(load(root)) == before


def test_a_campaign_may_belong_to_a_topic_of_its_purpose(tmp_path: Path) -> None:
    text = "campaign: Hello\nto: everybody\nsend: welcome\nvia: email\n"
    files: dict[str, str | bytes | None] = {POLICIES: RULES, "campaigns/hello.yaml": text + "topic: roses\n"}
    assert load(small_workspace(tmp_path, files)).campaigns["hello"].topic == "roses"
    (problem,) = problems_of(tmp_path, {**files, "campaigns/hello.yaml": text + "topic: rose\n"})
    assert (problem.code, problem.at.line, problem.hint) == ("REF03", 5, 'did you mean "roses"?')


def test_holidays_are_days_spans_of_days_and_shifted_workdays(tmp_path: Path) -> None:
    text = "holidays: Days off\ndays:\n  2027-02-05 to 2027-02-07: 春節\n  2027-01-01: New Year\nworkdays: [2027-02-20]\n"
    found = load(small_workspace(tmp_path, {HOLIDAYS: text})).holidays
    assert dict(found.days) == {
        date(2027, 1, 1): "New Year",
        date(2027, 2, 5): "春節",
        date(2027, 2, 6): "春節",
        date(2027, 2, 7): "春節",
    }
    assert found.workdays == {date(2027, 2, 20)}


@pytest.mark.parametrize(
    ("days", "code", "said"),
    [
        ("2027-02-30: Nothing", "PHR04", "in the calendar"),
        ("06.02.2027: 春節", "PHR04", "2027-02-06"),
        ("2027-02-07 to 2027-02-05: 春節", "PHR08", "its first and its last day"),
        ("2027-01-01 to 2027-03-01: Winter", "VAL03", "31 are the most"),
        ("2027-02-05 to 2027-02-07: 春節\n  2027-02-06: Another", "VAL09", "2027-02-06 is 春節 already"),
    ],
)
def test_a_slip_in_the_holidays_is_said(days: str, code: str, said: str, tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, {HOLIDAYS: f"holidays: Days off\ndays:\n  {days}\n"})
    assert (problem.code, problem.at.path) == (code, HOLIDAYS)
    assert said in f"{problem.message} {problem.hint}"


def test_holidays_are_part_of_a_campaign_that_goes_by_them_and_of_no_other(tmp_path: Path) -> None:
    text = FILES["campaigns/spring.yaml"] + "every: day at 09:00\n"
    root = small_workspace(
        tmp_path,
        {
            "campaigns/hello.yaml": text + "on_holidays: skip\n",
            HOLIDAYS: "holidays: H\ndays: {2027-01-01: A}\n",
        },
    )
    before = {name: definition_hash(load(root), name) for name in ("hello", "spring")}
    (root / HOLIDAYS).write_text("holidays: H\ndays: {2027-01-01: A}\nworkdays: [2027-02-20]\n")
    after = {name: definition_hash(load(root), name) for name in ("hello", "spring")}
    assert after["hello"] != before["hello"] and after["spring"] == before["spring"]


def test_the_staff_are_people_with_addresses(tmp_path: Path) -> None:
    text = (
        "staff: Us\nsales: sales@shop.example\n"
        "chen: {email: chen@shop.example, title: 陳小姐, locale: zh-TW, attribute: full_name, workdays: [Sat, Mon]}\n"
    )
    staff = load(small_workspace(tmp_path, {STAFF: text})).staff
    assert staff.people == (
        Person("sales", "sales@shop.example"),
        Person("chen", "chen@shop.example", "陳小姐", "zh-TW", "full_name", (0, 5)),
    )


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("sales: sales", "VAL07", "chen@shop.example"),
        ("sales: {title: Sales}", "KEY02", "email"),
        ("sales: {email: a@b.example, attribute: full_nam}", "REF04", 'did you mean "full_name"?'),
        ("sales: {email: a@b.example, attribute: vip}", "PHR05", "named by a text"),
        ("sales: {email: a@b.example, phone: 1}", "KEY01", "not something a person can say"),
    ],
)
def test_a_slip_in_the_staff_is_said_and_nobody_else_is_lost(
    line: str, code: str, said: str, tmp_path: Path
) -> None:
    flow = "flow: F\nstarts: {did: order_placed}\nsteps:\n  a: {notify: sales}\n"
    found = problems_of(tmp_path, {STAFF: f"staff: Us\n{line}\n", "flows/f.yaml": flow})
    assert [(one.code, one.at.path, one.at.line) for one in found] == [
        (code, STAFF, 3 if code == "KEY02" and "{" not in line else 2)
    ]
    assert said in f"{found[0].message} {found[0].hint}"


def test_an_import_says_how_old_it_may_be(tmp_path: Path) -> None:
    orders = "import: Orders\nkind: events\nevent: order_placed\ncustomer: c\nat: day\nfresh: 26 hours\n"
    people = "import: People\nkind: customers\ncustomer: c\nfields: {email: mail}\nfresh: 2 days\n"
    files: dict[str, str | bytes | None] = {
        "config/imports/orders.yaml": orders,
        "config/imports/people.yaml": people,
    }
    imports = load(small_workspace(tmp_path, files)).imports
    events, customers = imports["orders"], imports["people"]
    assert isinstance(events, EventsImport) and isinstance(customers, CustomersImport)
    assert (events.fresh, customers.fresh) == (Duration(26, Unit.HOUR), Duration(2, Unit.DAY))
    wrong = orders.replace("26 hours", "last 26 hours")
    (problem,) = problems_of(tmp_path, {**files, "config/imports/orders.yaml": wrong})
    assert (problem.code, problem.at.line, problem.hint) == ("PHR06", 6, "write: 26 hours")


@pytest.mark.parametrize(
    ("conditions", "nothing"),
    [
        (["orders: at least 5", "orders: less than 3"], True),
        (["orders: at least 5", "orders: less than 5"], True),
        (["orders: at least 5", "orders: at most 5"], False),
        (["orders: 4", "orders: more than 4"], True),
        (["member_level: gold", "member_level: [basic, silver]"], True),
        (["member_level: gold", "member_level: {not: gold}"], True),
        (["member_level: gold", "member_level: unknown"], True),
        (["member_level: {not: gold}", "member_level: unknown"], False),
        (["member_level: unknown", "member_level: known"], True),
        (["birthday: at least 2027-03-01", "birthday: less than 2027-03-01"], True),
        (["signed_up_at: at most 2027-03-01", "signed_up_at: at least 2027-03-01 10:00"], False),
        (["signed_up_at: more than 2027-03-01", "signed_up_at: less than 2027-03-01 10:00"], True),
        (["lifetime_value: between 5 and 10", "lifetime_value: at least 11"], True),
        (["birthday: in the last 3 days", "birthday: more than 30 days ago"], False),
    ],
)
def test_what_excludes_itself_is_found_and_nothing_else(
    conditions: list[str], nothing: bool, tmp_path: Path
) -> None:
    lines = "".join(f"  - {one}\n" for one in conditions)
    segment = load(small_workspace(tmp_path, {"segments/s.yaml": f"segment: S\nwhere:\n{lines}"})).segments[
        "s"
    ]
    tests = [(one.attribute, one.test) for one in segment.where]  # type: ignore[union-attr]
    assert fits_nothing(tests) is nothing


def test_the_starter_caps_marketing_and_keeps_nights_quiet() -> None:
    definitions = load(ROOT)
    marketing = definitions.policies.purpose("marketing")
    assert marketing and [one.days for one in marketing.cap] == [1, 7]
    assert {hours.kind for hours in definitions.policies.quiet} == {"sms", "fax"}
    assert definitions.policies.case_open == CaseOpen("complaint_opened", "complaint_closed")
    assert (
        date(2027, 2, 6) in definitions.holidays.days and date(2027, 2, 20) in definitions.holidays.workdays
    )
