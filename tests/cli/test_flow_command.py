"""`tidings flow`: the steps with the people at each, counts from stored rows, the same as a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import sqlalchemy as sa

from support.command_line import Said, Shop
from support.flow_stage import FlowStage, days, flow_of, send
from tidings.cli.flow_boxes import drawn
from tidings.cli.wrapping import cells, hanging, wrapped
from tidings.definitions.conditions import AttributeCondition
from tidings.definitions.kinds.campaign import Goal
from tidings.definitions.kinds.flow import Step, WaitFor
from tidings.definitions.loader import load
from tidings.definitions.values import Is
from tidings.flows.explaining.flow_svg import flow_svg
from tidings.flows.explaining.standing import FlowStands, flow_stands
from tidings.flows.explaining.telling import flow_lines, step_counts
from tidings.store.database import Store
from tidings.store.tables import sending

MONDAY = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., Said]


def walked(store: Store) -> FlowStage:
    """Six people: one answers, one is passed over, one is held out, one buys; one has no address."""
    flow = flow_of(
        send("hello"),
        Step("answer", "wait_for", wait_for=WaitFor("clicked", days(3), of="hello", if_not="again")),
        send("thanks", then="end"),
        send("again", when=(AttributeCondition("member_level", Is("gold")),)),
        send("instead", instead_of="again"),
        Step("rest", "wait", after=days(5)),
        goal=Goal("order", days(30)),
    )
    flow = replace(flow, title="歡迎新顧客 <旅程> & “co”")
    stage = FlowStage(store, flow)
    one = stage.start(MONDAY, member_level="gold")
    stage.start(MONDAY, member_level="gold")
    stage.start(MONDAY, member_level="silver")
    stage.start(MONDAY, arm="holdout", member_level="gold")
    stage.start(MONDAY, email=False)
    stage.walk(MONDAY)
    stage.respond(one, "hello", MONDAY + timedelta(hours=1))
    stage.walk(MONDAY + timedelta(hours=2))
    stage.walk(MONDAY + timedelta(days=3))
    with store.read() as connection:
        customer = connection.execute(
            sa.select(sending.enrolments.c.customer_id).where(sending.enrolments.c.id == one)
        ).scalar_one()
    stage.event(customer, "order", MONDAY + timedelta(days=2))
    return stage


def stands_of(stage: FlowStage) -> FlowStands:
    return flow_stands(stage.store, stage.definitions, stage.flow, now=MONDAY + timedelta(days=4))


def test_people_at_each_step_and_what_became_of_them_are_counted_by_arm(store: Store) -> None:
    stands = stands_of(walked(store))
    steps = {one.name: one for one in stands.steps}
    assert dict(stands.entered) == {"treated": 4, "holdout": 1}
    assert dict(stands.outcomes) == {"walking": 4, "finished": 1}
    assert dict(steps["rest"].waiting) == {"treated": 3, "holdout": 1}
    assert dict(steps["answer"].became) == {
        "answered": {"treated": 1},
        "unanswered": {"treated": 3, "holdout": 1},
    }
    assert steps["again"].count("passed") == 2
    assert steps["instead"].count("reached") == 2
    assert dict(steps["hello"].messages) == {"planned": 3, "refused": 1}
    assert dict(steps["hello"].refusals) == {"no_address": 1}
    assert stands.counted == {"treated": 4, "holdout": 1}
    assert stands.converted == {"treated": 1, "holdout": 0}
    assert json.dumps(stands.as_json())
    assert step_counts(steps["hello"])[0] == "reached 5 (1 held out)"


def test_ways_on_are_named_with_why(store: Store) -> None:
    stands = stands_of(walked(store))
    ways = {one.name: [(way.why, way.to) for way in one.ways] for one in stands.steps}
    assert ways["answer"] == [("answered", "thanks"), ("not within 3 days", "again")]
    assert ways["thanks"] == [("", "end")]
    assert ways["again"] == [("reached", "rest"), ("passed over", "instead")]
    assert ways["rest"] == [("", "end")]


def test_the_boxes_fit_into_80_columns_whatever_the_script(store: Store) -> None:
    stage = walked(store)
    stands = replace(stands_of(stage), starts="當顧客進入「過去一個月的第一筆訂單」分眾時開始，並且只會走過一次這個旅程，不會再來第二次。" * 2)  # fmt: skip
    lines = drawn(stands, 80)
    assert max(cells(line) for line in lines) <= 80
    boxes = [line for line in lines if line.lstrip().startswith(("┌", "└", "│ "))]
    assert all(cells(line) == 80 for line in boxes if line.rstrip().endswith(("┐", "┘")))
    text = "\n".join(lines)
    assert "├─ not within 3 days ─▶ again" in text
    assert "reached 5 (1 held out)" in text
    assert text.index("┌─ hello") < text.index("┌─ answer") < text.index("● end")


def test_every_starter_flow_is_drawn_as_boxes_and_as_a_picture() -> None:
    from tidings.definitions.aloud.parts import Parts
    from tidings.flows.explaining.standing import _step

    definitions = load(ROOT)
    assert definitions.flows
    for flow in definitions.flows.values():
        parts = Parts.of(definitions)
        steps = tuple(_step(parts, flow, step, {}, {}, {}, {}) for step in flow.steps)
        stands = FlowStands(flow.id, flow.title, parts.starts(flow), (), "", "not live", "", 0, None, False, {}, {}, {}, None, steps, {})  # fmt: skip
        lines = drawn(stands, 80)
        assert max(cells(line) for line in lines) <= 80, flow.id
        picture = ET.fromstring(flow_svg(stands, flow_lines(stands, "")))
        names = {node.text for node in picture.iter("{http://www.w3.org/2000/svg}text")}
        assert {step.name for step in flow.steps} <= names


def test_the_picture_escapes_titles_and_has_a_box_and_an_arrow_for_each_way(store: Store) -> None:
    stands = stands_of(walked(store))
    text = flow_svg(stands, flow_lines(stands, "2027-03-01 10:00"))
    assert "歡迎新顧客 &lt;旅程&gt; &amp; “co”" in text
    picture = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    arrows = [one for one in picture.iter(f"{space}path") if "marker-end" in one.attrib]
    assert len(arrows) == 1 + sum(len(one.ways) for one in stands.steps)
    width = float(picture.attrib["width"])
    assert all(float(one.attrib["x"]) < width for one in picture.iter(f"{space}text"))


def test_a_flow_that_never_went_live_is_drawn_as_its_file_says(shop: Shop, run: Run) -> None:
    said = run(shop, "flow", "welcome")
    assert said.code == 0, said
    assert "not live; `tidings run welcome` starts it" in said.out
    assert "┌─ first_weeks" in said.out
    assert max(cells(line) for line in said.out.splitlines()) <= 80


def test_the_command_writes_a_picture_and_json_with_its_keys(shop: Shop, run: Run) -> None:
    said = run(shop, "flow", "winback_ladder", "--svg", "ladder.svg")
    assert said.out == "wrote ladder.svg; a browser shows it\n"
    assert ET.parse(shop.root / "ladder.svg").getroot().tag.endswith("svg")
    data = run(shop, "flow", "winback_ladder", "--json").data
    assert sorted(data) == sorted(
        "flow title starts leave_when goal again holdout state reason version live_since edited entered journeys counted converted "
        "steps waiting_elsewhere".split()
    )
    assert data["state"] == "not live"
    assert sorted(data["steps"][0]) == sorted(
        "step verb does due only instead_of ways waiting became messages refusals".split()
    )


def test_the_head_says_who_is_held_out_and_whether_one_walks_it_again(shop: Shop, run: Run) -> None:
    said = " ".join(run(shop, "flow", "contract_renewal").out.split())
    assert "again the same customer walks it once for each “contract”" in said
    assert "holdout nobody is held out for comparison" in said
    assert "as soon as “Contract renewed” happened at least once, of the same “contract”" in said
    assert "due in 1 workday " in " ".join(run(shop, "flow", "care_during").out.split())


def test_without_a_name_all_flows_are_listed_with_the_people_who_walk_them(shop: Shop, run: Run) -> None:
    assert run(shop, "run", "welcome", "--yes").code == 0
    said = run(shop, "flow")
    assert (
        said.code == 0
        and said.out.splitlines()[0].split() == "flow state since walking entered title".split()
    )
    assert max(cells(line) for line in said.out.splitlines()) <= 80
    data = {one["flow"]: one for one in run(shop, "flow", "--json").data}
    assert sorted(data) == sorted(load(shop.root).flows)
    assert (data["welcome"]["state"], data["welcome"]["walking"]) == ("live", data["welcome"]["entered"])
    assert data["basket"]["state"] == "not live"
    assert "a picture is of one flow" in run(shop, "flow", "--svg", "x.svg").err


def test_an_unknown_flow_is_one_sentence_with_the_nearest(shop: Shop, run: Run) -> None:
    said = run(shop, "flow", "welcom")
    assert said.code == 2
    assert said.err == 'error: there is no flow "welcom"\n  did you mean "welcome"?\n'


def test_lines_are_wrapped_between_words_and_signs_of_double_width_count_as_two() -> None:
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("我們都留著您的最愛", 10) == ["我們都留著", "您的最愛"]
    assert wrapped("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert wrapped("", 10) == [""]
    assert hanging("x  ", "aaa bbb " * 5, 23) == ["x  aaa bbb aaa bbb aaa", "   bbb aaa bbb aaa bbb"]
    # A closing sign never begins a line.
    assert wrapped("您的最愛。", 8) == ["您的最愛。"] or "。" not in [
        line[0] for line in wrapped("您的最愛。", 8)
    ]
