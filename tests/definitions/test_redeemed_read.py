"""`redeemed` and the items of orders in files: read, said back in four languages, and their slips answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.workspaces import shown
from tidings.cli.main import execute
from tidings.definitions.aloud import sentence
from tidings.definitions.loader import check, load

SEGMENT = """segment: Redeemers
where:
  - did: redeemed
    times: at least 2
    within: last 30 days
    with: {offer: spring, discount: at least 5 EUR}
  - did_not: order_placed
    with: {item: [PS-2, GL-7]}
"""
FLOW = """flow: After a code
purpose: marketing
owner: anna
starts:
  did: redeemed
  with: {offer: spring}
leave_when:
  - did: redeemed
    with: {code: SORRY}
steps:
  again:
    wait_for: {did: redeemed}
    up_to: 3 days
  last:
    when:
      - did: redeemed
        times: at least 2
    end: true
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("redeemed") / "shop"
    assert execute(["init", str(root)]) == 0
    (root / "segments" / "redeemers.yaml").write_text(SEGMENT, encoding="utf-8")
    (root / "flows" / "after_code.yaml").write_text(FLOW, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("locale", "said", "starts"),
    [
        ("en", "“code redeemed” happened at least twice in the last 30 days, where “offer” is spring", "starts when “code redeemed” happens"),
        ("zh-TW", "過去 30 天內「兌換優惠代碼」至少發生 2 次（只算「offer」是 spring", "在發生「兌換優惠代碼」"),
        ("zh-CN", "过去 30 天内“兑换优惠码”至少发生 2 次（只算“offer”是 spring", "在发生“兑换优惠码”"),
        ("ru", "событие «код погашен» произошло не менее 2 раз за последние 30 дней, где «offer»: spring", "начинается с события «код погашен»"),
    ],
)  # fmt: skip
def test_a_redemption_is_said_back(shop, locale, said, starts) -> None:
    definitions = load(shop)
    assert said in sentence(definitions.segments["redeemers"], definitions, locale)
    assert starts in sentence(definitions.flows["after_code"], definitions, locale)


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        ("did: code_redeemed", "write: redeemed"),
        ("did: redeemed\n    with: {colour: red}", "there is code, discount, offer, order"),
        ("did: redeemed\n    with: {item: PS-2}", 'the event redeemed has no property "item"'),
        ("did: clicked\n    with: {item: PS-2}", 'the event clicked has no property "item"'),
        ("did: redeemed\n    total: {code: at least 2}", "only numbers and money have a total"),
    ],
)
def test_a_slip_is_answered(tmp_path: Path, lines, answer) -> None:
    assert answer in shown(tmp_path, "segments/s.yaml", f"segment: S\nwhere:\n  - {lines}\n")


def test_the_examples_of_the_page_are_sound(shop: Path) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "offer-a-discount.md"
    blocks = [part.split("```")[0] for part in page.read_text(encoding="utf-8").split("```yaml\n")[1:]]
    (segment,) = (one for one in blocks if one.startswith("segment: Redeemed twice"))
    (flow,) = (one for one in blocks if one.startswith("flow: Thanks"))
    (shop / "segments" / "twice.yaml").write_text(segment, encoding="utf-8")
    (shop / "flows" / "thanks.yaml").write_text(flow, encoding="utf-8")
    definitions = load(shop)
    assert definitions.flows["thanks"].starts.event == "redeemed"
    assert definitions.segments["twice"].where[0].times.least == 2


def test_no_flow_starts_by_another_response(tmp_path: Path) -> None:
    text = FLOW.replace("did: redeemed\n  with: {offer: spring}", "did: clicked")
    assert "no flow starts by one" in shown(tmp_path, "flows/f.yaml", text)


@pytest.mark.parametrize(
    ("asked", "warned"),
    [
        ("sprng_winback", ['no campaign or flow "sprng_winback"']),
        ("[spring_winback, gone.coupon]", ['no campaign or flow "gone"']),
        ("[spring_winback, birthday.coupon]", []),
        ("{not: sprng_winback}", ['no campaign or flow "sprng_winback"']),
        ("known", []),
        ("starts with sprng", []),
    ],
)
def test_an_offer_of_no_file_is_worth_a_second_look_and_stops_nothing(
    tmp_path: Path, asked: str, warned: list[str]
) -> None:
    root = tmp_path / "shop"
    assert execute(["init", str(root)]) == 0
    text = f"segment: S\nwhere:\n  - did: redeemed\n    with: {{offer: {asked}}}\n"
    (root / "segments" / "s.yaml").write_text(text, encoding="utf-8")
    definitions, problems = check(root)
    assert definitions is not None
    assert [one.message for one in problems if one.at.path == "segments/s.yaml"] == warned
    for one in problems:
        if "sprng" in one.message:
            assert (one.code, one.at.line, one.hint) == ("REF16", 4, 'did you mean "spring_winback"?')
