"""The flows that every new workspace has: sound, short, in four languages, and read back as sentences."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from support.workspaces import FILES, small_workspace
from tidings.cli.check import command as check_command
from tidings.cli.main import execute
from tidings.clock import SystemClock, local_day
from tidings.definitions.aloud import LOCALES, sentences
from tidings.definitions.editor import workspace_schemas
from tidings.definitions.loader import check, load
from tidings.definitions.readers.later import deciding

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "basket", "care_after", "care_before", "care_during", "contract_renewal", "prospect_handover", "welcome",
    "winback_ladder",
)  # fmt: skip


def test_every_starter_flow_is_sound_and_nothing_in_it_waits_for_a_later_version() -> None:
    definitions, problems = check(ROOT)
    assert problems == [] and definitions is not None
    assert tuple(sorted(definitions.flows)) == NAMES
    for flow in definitions.flows.values():
        assert deciding(flow.acts_later) == () and flow.owner and flow.why and flow.goal
        assert len((ROOT / flow.path).read_text().splitlines()) <= 50


def test_every_message_and_card_of_a_flow_is_written_in_four_languages() -> None:
    definitions = load(ROOT)
    kinds = {name: one.kind for name, one in definitions.channels.items()} | {"preferred": "email"}
    for flow in definitions.flows.values():
        for step in flow.steps:
            wanted = {(step.send, kinds[name]) for name in step.via} | (
                {(step.card, "card")} if step.card else set()
            )
            for folder, kind in wanted:
                for locale in LOCALES:
                    suffix = "html" if kind == "fax" else "txt"
                    assert f"templates/{folder}/{kind}.{locale}.{suffix}" in definitions.templates, flow.id


def test_the_messages_of_the_flows_are_checked_as_those_of_campaigns_are(tmp_path: Path) -> None:
    text = "flow: Hello\nstarts: {did: order_placed}\nsteps:\n  letter: {send: bad, via: email}\n"
    root = small_workspace(
        tmp_path,
        {"flows/hello.yaml": text, "templates/bad/email.en.txt": "Subject: Hi\n\nHello {{ nobody }}\n"},
    )
    result = CliRunner().invoke(check_command, [str(root), "--json"], standalone_mode=False)
    answer = json.loads(result.output)
    assert result.return_value == 1
    assert {one["path"] for one in answer["problems"]} == {"templates/bad/email.en.txt"}
    assert "bad" in {one["folder"] for one in answer["languages"]}


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("en", "“Abandoned basket” starts when “Basket changed” happens, where “basket_total” is at least 30 EUR, unless it comes in more than 1 day late; the same customer walks it again after 7 days at the earliest; "),
        ("zh-TW", "「Abandoned basket」在發生「Basket changed」（只算「basket_total」至少 30 EUR 的）時（最多晚 1 天收到）開始；同一位顧客至少隔 7 天才會再走；"),
        ("zh-CN", "“Abandoned basket”在发生“Basket changed”（只算“basket_total”至少 30 EUR 的）时（最多晚 1 天收到）开始；同一位客户至少隔 7 天才会再走；"),
        ("ru", "Цепочка «Abandoned basket» начинается с события «Basket changed», где «basket_total» не меньше 30\xa0EUR, если оно дошло не позже чем через 1 день; один и тот же клиент проходит её снова не раньше чем через 7 дней; "),
    ],
)  # fmt: skip
def test_a_flow_is_read_back_as_a_native_reader_would_say_it(locale: str, said: str) -> None:
    assert sentences(load(ROOT), locale)["flows/basket.yaml"].startswith(said)


@pytest.mark.parametrize(
    ("name", "en", "ru"),
    [
        ("winback_ladder", "step 2 “answer” (at once): waits at most 3 days for “link clicked” in answer to “letter”; who has not done it by then goes on to “text”",
         "шаг 2 «answer» (сразу): ждёт события «переход по ссылке» в ответ на «letter» не дольше 3 дней; кто не успел, идёт на «text»"),
        ("contract_renewal", "step 4 “last_notice” (7 days before “contract_ends_on” at 09:00): the message “renewal/last” goes out by SMS, else by fax",
         "шаг 4 «last_notice» (за 7 дней до даты «contract_ends_on» в 09:00): сообщение «renewal/last» уходит по SMS, а если так не связаться, по факсу"),
        ("basket", "step 1 “reminder” (2 hours after the last such event): the message “basket/reminder” goes out by e-mail, at most 6 hours late",
         "шаг 1 «reminder» (через 2 часа после последнего такого события): сообщение «basket/reminder» уходит по электронной почте, с опозданием не больше 6 часов"),
        ("care_after", "step 2 “ways” (30 days later): by lot, 50% go on to “with_tips” and 50% go on to “plain”",
         "шаг 2 «ways» (через 30 дней): по жребию 50\xa0% идут на «with_tips» и 50\xa0% идут на «plain»"),
        ("care_before", "step 4 “examples” (at once, in place of “personal” where that is passed over)",
         "шаг 4 «examples» (сразу, вместо шага «personal», если тот пропущен)"),
        ("prospect_handover", "step 3 “hand_over” (at once): a task for “Sales”, due in 2 workdays",
         "шаг 3 «hand_over» (сразу): задача сотруднику «Sales», срок 2 рабочих дня"),
        ("welcome", "“Welcome” starts when a customer comes into the segment “First order in the last month”",
         "Цепочка «Welcome» начинается, когда клиент входит в сегмент «First order in the last month»"),
    ],
)  # fmt: skip
def test_each_kind_of_step_has_its_words(name: str, en: str, ru: str) -> None:
    definitions = load(ROOT)
    assert en in sentences(definitions, "en")[f"flows/{name}.yaml"]
    assert ru in sentences(definitions, "ru")[f"flows/{name}.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        "flow: F\nstarts: {did: order_place}\nsteps: {a: {end: true}}\n",
        "flow: F\nstarts: {enters: nobody}\nsteps: {a: {end: true}}\n",
        "flow: F\nstarts: {did: order_placed, enters: everybody}\nsteps: {a: {end: true}}\n",
        "flow: F\nstarts: {did: order_placed}\nsteps: {a: {send: wellcome, via: email}}\n",
        "flow: F\nstarts: {did: order_placed}\nsteps: {a: {notify: bob}}\n",
        "flow: F\nstarts: {did: order_placed}\nsteps: {a: {wait_for: {did: order_place}, up_to: 3 days}}\n",
        "flow: F\nstarts: {did: order_placed}\nsteps: {a: {end: true, when: [{vipp: true}]}}\n",
    ],
)
def test_an_editor_refuses_what_the_check_refuses(text: str, tmp_path: Path) -> None:
    staff = "staff: Us\nsales: sales@shop.example\n"
    schema = workspace_schemas(load(small_workspace(tmp_path, {"config/staff.yaml": staff})))["flow"]
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(yaml.safe_load("flow: F\nstarts: {did: order_placed}\nsteps: {a: {notify: sales}}\n"))
    assert not validator.is_valid(yaml.safe_load(text))


def test_a_new_flow_is_valid_and_names_its_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = small_workspace(tmp_path)
    monkeypatch.chdir(root)
    assert execute(["new", "flow", "second_order"]) == 0
    assert "tidings plan second_order" in capsys.readouterr().out
    flow = load(root).flows["second_order"]
    assert [step.name for step in flow.steps] == ["first", "second"] and flow.starts.event == "order_placed"
    assert execute(["new", "flow", "third", "--like", "second_order"]) == 0
    assert load(root).flows["third"].title == "Third"


def test_a_new_flow_starts_by_a_segment_where_no_event_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare: dict[str, str | bytes | None] = {
        "config/events.yaml": None,
        "segments/lapsed_big_spenders.yaml": None,
        "config/policies.yaml": FILES["config/policies.yaml"],
    }
    root = small_workspace(tmp_path, bare)
    monkeypatch.chdir(root)
    assert execute(["new", "flow", "hello"]) == 0
    assert load(root).flows["hello"].starts.segment == "everybody"


def test_the_example_contracts_start_the_renewal_of_a_started_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "shop"
    assert execute(["init", str(root)]) == 0
    monkeypatch.chdir(root)
    for name in ("customers", "contracts"):
        capsys.readouterr()
        assert execute(["import", f"config/imports/example_{name}.csv", "--as", name, "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
    # Whatever day it is: two of the four contracts end sixty days from now, as their dates moved along.
    rows = (root / "config" / "imports" / "example_contracts.csv").read_text().splitlines()[1:]
    ends = [date.fromisoformat(row.split(",")[3]) for row in rows]
    today = local_day(SystemClock().now(), ZoneInfo("Europe/Stockholm"))
    assert len(rows) == 4 and (ends[0] - today).days == (ends[1] - today).days == 60
    assert answer["rejected"] == 0, answer
