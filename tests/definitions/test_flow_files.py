"""flows/*.yaml: what a flow may say, and every slip of the hand in one, said at its place with the way out."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from pathlib import Path

import pytest

from support.workspaces import FILES, problems_of, small_workspace
from tidings.definitions.conditions import AttributeCondition, DidCondition, StartPropertyCondition
from tidings.definitions.hashing import definition_hash, needs_of
from tidings.definitions.kinds.flow import DayOffset, Flow, Start, WaitFor
from tidings.definitions.kinds.timing import Again, SendBetween
from tidings.definitions.loader import load
from tidings.definitions.repairing import repair
from tidings.definitions.values import Compared, Duration, Order, Share, Unit

PATH = "flows/journey.yaml"
MORE: dict[str, str | bytes | None] = {
    "config/attributes.yaml": FILES["config/attributes.yaml"] + "dealer: text\naccount_manager: text\nhelper: number\n",
    "config/events.yaml": FILES["config/events.yaml"]
    + "contract_signed:\n  properties: {contract: text, ends_on: date, contract_value: money}\ncontract_renewed:\n"
    "  properties: {contract: text, ends_on: date}\nbasket_updated:\n  properties: {basket_total: money}\n",
    "config/staff.yaml": "staff: Us\nsales: sales@shop.example\ncare: {email: care@shop.example, attribute: account_manager}\n",
    "segments/leads.yaml": "segment: Leads\nmembers: listed\n",
    "segments/vips.yaml": "segment: Our best\nwhere:\n  - vip: true\n",
    "segments/nobody.yaml": "segment: Nobody\nwhere:\n  - orders: at least 5\n  - orders: less than 3\n",
    "templates/cards/call/card.en.txt": "Ring them.\n",
}  # fmt: skip
LETTER = "  letter: {send: welcome, via: email}\n"


def flow(steps: str = LETTER, starts: str = "{did: order_placed}", rest: str = "") -> str:
    return f"flow: Journey\nstarts: {starts}\n{rest}steps:\n{steps}"


def loaded(tmp_path: Path, text: str) -> Flow:
    return load(small_workspace(tmp_path, {**MORE, PATH: text})).flows["journey"]


def test_a_flow_says_what_starts_it_and_what_its_steps_do(tmp_path: Path) -> None:
    read = loaded(
        tmp_path,
        flow(
            "  first:\n    after: 2 hours quiet\n    when:\n      - vip: true\n      - basket_total: at least 80 EUR\n"
            "    send: welcome\n    via: [email]\n    send_between: 09:00 and 17:00\n    weekdays: [Mon, Fri]\n"
            "    say: {headline: Still there?}\n"
            "  other: {instead_of: first, send: welcome, via: email, to: dealer, group: one sheet a dealer}\n"
            "  answer: {wait_for: {did: clicked, of: first, by: email}, up_to: 3 days, if_not: call}\n"
            "  ways: {split: {tag: 60%, call: 40%}}\n"
            "  tag: {set: {vip: true, member_level: gold, lifetime_value: unknown}}\n"
            "  list: {add_to: leads, then: end}\n"
            "  call: {notify: sales, say: cards/call, due: 2 workdays}\n"
            "  last: {wait_until: 7 days before birthday at 10:30, send: welcome, via: email}\n",
            "{did: basket_updated, with: {basket_total: at least 30 EUR}, catch_up: less than 2 days late}",
            "again: after 7 days\npriority: high\nclock: recipient\nholdout: 10%\nleave_when:\n  - did: order_placed\n",
        ),
    )
    assert read.starts == Start(
        "event",
        event="basket_updated",
        with_=(("basket_total", Compared(Order.AT_LEAST, Decimal(30), "EUR")),),
        catch_up=Duration(2, Unit.DAY),
    )
    assert (read.priority, read.clock, read.holdout.share) == ("high", "recipient", Share(1000))
    assert read.again == Again("after", after=Duration(7, Unit.DAY))
    assert read.leave_when == (DidCondition("order_placed"),)
    first, other, answer, ways, tag, listed, call, last = read.steps
    assert (first.verb, str(first.after), first.quiet, first.via) == ("send", "2 hours", True, ("email",))
    assert [type(one) for one in first.when] == [AttributeCondition, StartPropertyCondition]
    assert (first.send_between, first.weekdays) == (SendBetween(time(9), time(17)), (0, 4))
    assert first.say == (("headline", "Still there?"),)
    assert (other.instead_of, other.to, other.group) == ("first", "dealer", "party")
    assert answer.wait_for == WaitFor("clicked", Duration(3, Unit.DAY), of="first", by="email", if_not="call")
    assert (ways.verb, ways.split) == ("split", (("tag", Share(6000)), ("call", Share(4000))))
    assert tag.values == (("vip", True), ("member_level", "gold"), ("lifetime_value", None))
    assert (listed.verb, listed.segment, listed.then) == ("add_to", "leads", "end")
    assert (call.notify, call.card, call.due_workdays) == ("sales", "cards/call", 2)
    assert last.wait_until == DayOffset(-7, "birthday", time(10, 30))
    assert read.step("tag") is tag and read.step("nothing") is None


@pytest.mark.parametrize(
    ("starts", "wanted"),
    [
        ("{did: order_placed}", Start("event", event="order_placed", catch_up=Duration(1, Unit.DAY))),
        ("{enters: vips}", Start("enters", segment="vips")),
        ("{enters: vips, catch_up: everybody}", Start("enters", segment="vips", catch_up="everybody")),
        ("{leaves: vips}", Start("leaves", segment="vips")),
        ("{did: task_returned}", Start("event", event="task_returned", catch_up=Duration(1, Unit.DAY))),
        ("{date: birthday, when: 3 days before}", Start("date", day=DayOffset(-3, "birthday"))),
        ("{date: birthday, when: on at 08:00}", Start("date", day=DayOffset(0, "birthday", time(8)))),
        ("{date: last_order_at, when: 2 weeks after}", Start("date", day=DayOffset(14, "last_order_at"))),
        (
            "{date: ends_on, of: contract_signed, when: 60 days before, catch_up: less than 14 days late}",
            Start("date", event="contract_signed", day=DayOffset(-60, "ends_on"), catch_up=Duration(14, Unit.DAY)),
        ),
    ],
)  # fmt: skip
def test_a_flow_starts_by_an_event_a_segment_or_a_date(starts: str, wanted: Start, tmp_path: Path) -> None:
    assert loaded(tmp_path, flow(starts=starts)).starts == wanted


WAIT = "  answer: {wait_for: {did: clicked, of: letter}, up_to: 3 days}\n"
SIGNED = "{date: ends_on, of: contract_signed, when: 60 days before}"
# What is written, the code, its line and column, and what the sentence or its way out says.
SLIPS = [
    # Starts.
    (flow(starts="{did: order_place}"), "REF05", 2, 15, 'did you mean "order_placed"?'),
    (flow(starts="{did: clicked}"), "FLW06", 2, 15, "no flow starts by one"),
    (flow(starts="{did: order_placed, enters: vips}"), "KEY07", 2, 29, "write one of did, enters, leaves, date"),
    (flow(starts="{catch_up: nobody}"), "KEY07", 2, 9, "nothing here says what starts it"),
    (flow(starts="{enters: vip}"), "REF01", 2, 18, 'did you mean "vips"?'),
    (flow(starts="{enters: nobody}"), "FLW06", 2, 18, "segments/nobody.yaml"),
    (flow(starts="{enters: vips, when: on}"), "KEY07", 2, 24, '"when" belongs to "date"'),
    (flow(starts="{leaves: vips, catch_up: everybody}"), "KEY07", 2, 34, "catch_up says nobody"),
    (flow(starts="{date: member_level, when: on}"), "PHR05", 2, 16, "a day is counted from a date"),
    (flow(starts="{date: birthdy, when: on}"), "REF04", 2, 16, 'did you mean "birthday"?'),
    (flow(starts="{date: birthday}"), "KEY02", 2, 10, "when: 60 days before"),
    (flow(starts="{date: birthday, when: 60 days}"), "PHR05", 2, 32, "60 days before"),
    (flow(starts="{date: birthday, when: 2 hours before}"), "PHR02", 2, 32, "60 days or 2 weeks"),
    (flow(starts="{date: ends_on, when: on}"), "KEY07", 2, 16, "of: contract_signed"),
    (flow(starts="{date: ends_on, of: order_placed, when: on}"), "REF06", 2, 29, "contract_signed"),
    (flow(starts="{did: order_placed, catch_up: later}"), "PHR05", 2, 39, "less than 14 days late"),
    (flow(starts="{did: order_placed, with: {items: between 10 and 5}}"), "PHR08", 2, 43, "write: between 5 and 10"),
    # Steps and where they lead.
    (flow(LETTER * 2), "YAM05", 5, 3, "is written twice"),
    (flow(LETTER + "  back: {after: 1 day, then: letter}\n"), "FLW03", 5, 30, 'back to "letter"'),
    (flow(LETTER + "  round: {after: 1 day, then: round}\n"), "FLW03", 5, 31, "to itself"),
    (flow(LETTER + "  on: {after: 1 day, then: lettr}\n"), "FLW04", 5, 28, 'did you mean "letter"?'),
    (flow(LETTER + WAIT.replace("}, up", "}, if_not: lost, up")), "FLW04", 5, 58, "there is answer, letter"),
    (flow(LETTER + WAIT.replace("of: letter", "of: leter")), "FLW04", 5, 41, 'did you mean "letter"?'),
    (flow(WAIT + LETTER), "FLW03", 4, 41, "has sent nothing by then"),
    (flow(LETTER + WAIT.replace(", up_to: 3 days", "")), "FLW02", 5, 12, "up_to: 3 days"),
    (flow(LETTER.replace("}", ", then: end}") + "  lost: {send: welcome, via: email}\n"), "FLW01", 5, 3, 'nobody comes to the step "lost"'),
    (flow(LETTER + "  ways: {split: {a: 50%, b: 50%}}\n  a: {end: true}\n  lost: {send: welcome, via: email}\n  b: {end: true}\n"), "FLW01", 7, 3, '"lost"'),
    (flow(LETTER + "  ways: {split: {a: 50%, b: 40%}}\n  a: {end: true}\n  b: {end: true}\n"), "VAL08", 5, 29, "come to 90%"),
    (flow(LETTER + "  ways: {split: {a: 50%, b: 50%}}\n  a: {end: true}\n"), "FLW04", 5, 26, 'there is no step "b"'),
    (flow(LETTER + "  other: {instead_of: letter, send: welcome, via: email}\n"), "FLW05", 5, 23, 'it has no "when"'),
    (flow(LETTER + "  other: {instead_of: other, send: welcome, via: email}\n"), "FLW03", 5, 23, "itself"),
    (flow(LETTER + "  other: {instead_of: leter, send: welcome, via: email}\n"), "FLW04", 5, 23, 'did you mean "letter"?'),
    (flow("  a: {send: welcome, via: email, when: [{vip: true}]}\n" + "".join(f"  {x}: {{instead_of: a, send: welcome, via: email}}\n" for x in "bc")), "FLW01", 6, 3, "write instead_of: b"),
    (flow("  a: {send: welcome, via: email, when: [{vip: true}]}\n  b: {after: 1 day, then: c}\n  c: {instead_of: a, send: welcome, via: email}\n"), "FLW03", 5, 27, 'passed over "a"'),
    (flow("  a: {send: welcome, via: email, when: [{orders: at least 5}, {orders: less than 3}]}\n"), "FLW01", 4, 34, "fits no customer"),
    (flow("  a: {send: welcome, via: email, when: [{items: less than 2}]}\n", "{did: order_placed, with: {items: at least 2}}"), "FLW01", 4, 34, "fits no customer"),
    # What a step does.
    (flow("  a: {when: [{vip: true}]}\n"), "FLW09", 4, 3, "does nothing"),
    (flow("  a: {send: welcome, via: email, set: {vip: true}}\n"), "FLW09", 4, 34, "make two steps of it"),
    (flow("  a: {send: welcome}\n"), "KEY02", 4, 20, 'needs "via"'),
    (flow("  a: {send: welcom, via: email}\n"), "REF08", 4, 13, 'did you mean "welcome"?'),
    (flow("  a: {send: welcome, via: [email, text]}\n"), "REF09", 4, 35, "sms"),
    (flow("  a: {notify: bob}\n"), "FLW08", 4, 15, "there is care, sales"),
    (flow("  a: {notify: sales, say: welcome}\n"), "REF09", 4, 27, "templates/welcome/card.en.txt"),
    (flow("  a: {notify: sales, due: tomorrow}\n"), "PHR02", 4, 27, "not a length of time"),
    (flow("  a: {add_to: vips}\n"), "KEY07", 4, 15, "members: listed"),
    (flow("  a: {set: {vipp: true}}\n"), "REF04", 4, 13, 'did you mean "vip"?'),
    (flow("  a: {set: {member_level: golden}}\n"), "REF10", 4, 27, 'never "golden"'),
    (flow("  a: {set: {interests: roses}}\n"), "PHR05", 4, 13, "single values"),
    (flow("  a: {send: welcome, via: email, to: helper}\n"), "PHR05", 4, 38, "named by a text"),
    (flow("  a: {send: welcome, via: email, group: one sheet a dealer}\n"), "KEY07", 4, 34, 'no "to"'),
    (flow("  a: {send: welcome, via: email, up_to: 3 days}\n"), "KEY07", 4, 34, '"wait_for"'),
    (flow("  a: {after: 1 day, wait_until: on birthday, send: welcome, via: email}\n"), "KEY07", 4, 21, "keep one of them"),
    (flow("  a: {wait_until: 7 days before vip, send: welcome, via: email}\n"), "PHR05", 4, 19, "a day is counted from a date"),
    (flow("  a: {wait_until: tomorrow, send: welcome, via: email}\n"), "PHR05", 4, 19, "7 days before birthday"),
    (flow("  a: {after: 2 hours quiet, send: welcome, via: email}\n", "{enters: vips}"), "KEY07", 4, 14, "does not start by an event"),
    (flow("  a: {after: last 3 days, send: welcome, via: email}\n"), "PHR02", 4, 14, "not a length of time"),
    (flow("  a: {wait: 3 days}\n"), "KEY06", 4, 7, "after: 3 days"),
    (flow("  end: {send: welcome, via: email}\n"), "VAL04", 4, 3, "a word of its own"),
    (flow("  a: {wait_for: {did: order_placed, of: letter}, up_to: 1 day}\n"), "KEY07", 4, 37, "is about a response"),
    (flow("  a: {send: welcome, via: email, when: [{contract_value: at least 5}]}\n"), "REF04", 4, 42, 'no attribute "contract_value"'),
    # The whole.
    ("flow: Journey\nto: everybody\nstarts: {did: order_placed}\nsteps:\n" + LETTER, "KEY06", 2, 1, "starts: {enters: SEGMENT}"),
    (flow(rest="again: for each contract\n"), "REF04", 3, 8, "several of"),
    (flow(rest="moved: {old: lettr}\n"), "FLW04", 3, 14, 'did you mean "letter"?'),
    (flow(rest="moved: {letter: end}\n"), "KEY07", 3, 9, "only steps that were taken out"),
    (flow(rest="topic: roses\n"), "REF03", 3, 8, "topics: [roses]"),
    (flow(rest="holdout: {share: 10%, unit: account}\n"), "KEY07", 3, 23, "holds out customers"),
    (flow(rest="goal: {did: clicked, within: 3 days}\n"), "CMP01", 3, 7, "cannot happen to those held out"),
    (flow(rest="goal: {did: task_done, within: 3 days}\n"), "CMP01", 3, 7, "cannot happen to those held out"),
    # Flows that feed themselves.
    (flow("  a: {add_to: leads}\n", "{enters: leads}", "again: always\n"), "FLW07", 5, 7, "again: never"),
    (flow("  a: {remove_from: leads}\n", "{leaves: leads}", "again: always\n"), "FLW07", 5, 7, "feeds itself"),
    (flow("  a: {set: {vip: false}}\n", "{enters: vips}", "again: always\n"), "FLW07", 5, 7, '"vip" decides who is in "vips"'),
    (flow("  a: {notify: sales}\n", "{did: task_done}", "again: always\n"), "FLW07", 5, 7, "the answer to this task"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "line", "column", "said"), SLIPS, ids=[f"{one[1]}-{number}" for number, one in enumerate(SLIPS)])  # fmt: skip
def test_a_slip_in_a_flow_is_said_at_its_place(
    text: str, code: str, line: int, column: int, said: str, tmp_path: Path
) -> None:
    problems = problems_of(tmp_path, {**MORE, PATH: text})
    found = [(one.code, one.at.path, one.at.line, one.at.column) for one in problems]
    assert found == [(code, PATH, line, column)], [one.render() for one in problems]
    assert said in f"{problems[0].message} {problems[0].hint}"


@pytest.mark.parametrize(
    "text",
    [
        flow("  a: {add_to: leads}\n", "{enters: leads}", "again: never\n"),
        flow("  a: {remove_from: leads}\n", "{enters: leads}", "again: always\n"),
        flow("  a: {set: {member_level: gold}}\n", "{enters: vips}", "again: always\n"),
        flow("  a: {notify: sales}\n", "{did: task_done}", "again: after 30 days\n"),
        flow("  a: {send: welcome, via: email, when: [{interests: roses}, {interests: trees}]}\n"),
        flow("  a: {send: welcome, via: email, when: [{orders: at least 3}, {orders: at most 3}]}\n"),
        flow("  a: {after: 1 day}\n  b: {wait_for: {did: order_placed}, up_to: 1 day, if_not: end}\n  c: {end: true}\n"),
        flow("  a: {send: welcome, via: email, when: [{ends_on: in the next 30 days}]}\n", SIGNED, "again: for each contract\n"),
        flow("  a: {send: welcome, via: email, wait_until: on ends_on}\n", SIGNED),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_slip_is_none(text: str, tmp_path: Path) -> None:
    assert problems_of(tmp_path, {**MORE, PATH: text}) == []


def test_flows_and_campaigns_share_their_names(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, {"flows/spring.yaml": flow()})
    assert (problem.code, problem.at.path, problem.at.line) == ("REF12", "flows/spring.yaml", 1)
    text = "import: A test\nkind: experiment\ncampaign: journey\ncustomer: id\narm: arm\noutcomes: {visit: visit}\n"
    found = problems_of(
        tmp_path, {"flows/spring.yaml": None, "flows/journey.yaml": flow(), "config/imports/t.yaml": text}
    )
    assert [(one.code, one.at.path) for one in found] == [("REF12", "config/imports/t.yaml")]
    assert 'there is a flow "journey" already' in found[0].message


def test_python_beside_the_flows_is_not_their_matter(tmp_path: Path) -> None:
    assert problems_of(tmp_path, {"flows/nightly.py": "print()\n", "flows/README.md": "# Flows\n"}) == []


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (PATH, "after: 1 day", "after: 2 days"),
        ("segments/vips.yaml", "true", "false"),
        ("channels/email.yaml", "adapter: smtp", "adapter: outbox"),
        ("config/policies.yaml", "class: marketing", "class: survey"),
        ("templates/welcome/email.en.txt", "Hello", "Hullo"),
        ("templates/cards/call/card.en.txt", "Ring", "Call"),
        ("config/staff.yaml", "sales@", "sale@"),
    ],
)
def test_what_decides_changes_the_hash_of_a_flow(path: str, old: str, new: str, tmp_path: Path) -> None:
    steps = "  a: {after: 1 day, send: welcome, via: email}\n  b: {notify: sales, say: cards/call, due: 2 workdays}\n"
    root = small_workspace(tmp_path, {**MORE, PATH: flow(steps, "{enters: vips}")})
    before = definition_hash(load(root), "journey")
    file = root / path
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    assert definition_hash(load(root), "journey") != before
    file.write_text(file.read_text().replace(new, old))
    assert definition_hash(load(root), "journey") == before
    (root / "config" / "holidays.yaml").write_text("holidays: H\ndays: {2027-01-01: New Year}\n")
    assert definition_hash(load(root), "journey") != before  # the task is due in workdays


def test_what_a_flow_does_not_name_leaves_its_hash(tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {**MORE, PATH: flow()})
    before = definition_hash(load(root), "journey")
    (root / "config" / "staff.yaml").write_text("staff: Us\nsales: others@shop.example\n")
    (root / "config" / "holidays.yaml").write_text("holidays: H\ndays: {2027-01-01: New Year}\n")
    (root / "segments" / "leads.yaml").write_text("segment: Other leads\nmembers: listed\n")
    (root / PATH).write_text("# a comment\n" + flow())
    assert definition_hash(load(root), "journey") == before


def test_a_flow_needs_its_segments_channels_messages_and_people(tmp_path: Path) -> None:
    steps = (
        "  a: {send: welcome, via: email, when: [{segment: vips}]}\n"
        "  b: {notify: sales, say: cards/call}\n  c: {add_to: leads}\n"
    )
    needed = needs_of(loaded(tmp_path, flow(steps, "{enters: everybody}")))
    assert needed.segments == ("everybody", "vips", "leads")
    assert (needed.channels, needed.templates, needed.people) == (
        ("email",),
        ("welcome", "cards/call"),
        ("sales",),
    )
    assert not needed.holidays


def test_the_formatter_repairs_a_flow_that_was_typed_with_an_input_method(tmp_path: Path) -> None:
    text = flow(rest="holdout：10％\n").replace("send: welcome, via", "send: welcome，via")
    root = small_workspace(tmp_path, {**MORE, PATH: text})
    fixed = repair(root, PATH, text.encode())
    assert fixed.after == flow(rest="holdout: 10%\n")
