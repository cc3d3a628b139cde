"""The schemas for editors know the names of the workspace, speak four languages, and refuse what the check refuses."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from support.workspaces import small_workspace
from tidings.cli.schemas import command
from tidings.definitions.behaviour import DID, DID_NOT
from tidings.definitions.editor import schema_files, workspace_schemas
from tidings.definitions.hovers import LOCALES, hover
from tidings.definitions.loader import load
from tidings.definitions.readers import (
    attributes,
    attribution,
    campaign,
    channel,
    columns,
    company_goals,
    events,
    examples,
    flow,
    goal,
    goods,
    holidays,
    ladder,
    layout,
    offer,
    policies,
    rank,
    scores,
    segment,
    spending,
    staff,
    starting,
    stepping,
    timing,
    variants,
)  # fmt: skip

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    "segment": "segments", "campaign": "campaigns", "flow": "flows", "channel": "channels", "import": "config/imports",
}  # fmt: skip
MARKETERS = [
    segment.KEYS, DID, DID_NOT, rank.RANK_KEYS, examples.EXAMPLE_KEYS, campaign.KEYS, campaign.HOLDOUT_KEYS,
    variants.VARIANT_KEYS, goal.KEYS, timing.TEST_KEYS, timing.PILOT_KEYS, offer.OFFER_KEYS, channel.KEYS,
    attributes.KEYS, events.KEYS, flow.KEYS, starting.START_KEYS, stepping.STEP_KEYS, stepping.WAIT_KEYS, policies.KEYS,
    policies.PURPOSE_KEYS, policies.CASE_KEYS, staff.KEYS, holidays.KEYS,
    attribution.KEYS, attribution.POSITION_KEYS, company_goals.KEYS, company_goals.FILE_KEYS, ladder.RUNG_KEYS, scores.KEYS,
    spending.COSTS, spending.TOUCHES, spending.WHO_KEYS, goods.PRODUCTS, goods.STOCK, layout.TOTAL_KEYS, columns.AMOUNT_KEYS,
]  # fmt: skip


class TextOnly(yaml.SafeLoader):
    """Reads only what our dialect takes for more than text."""


TextOnly.yaml_implicit_resolvers = {}
TextOnly.add_implicit_resolver("tag:yaml.org,2002:int", __import__("re").compile(r"-?(0|[1-9][0-9]*)$"), list("-0123456789"))  # fmt: skip
TextOnly.add_implicit_resolver("tag:yaml.org,2002:bool", __import__("re").compile(r"true|false"), list("tf"))


def plain(path: Path) -> object:
    return yaml.load(path.read_text(encoding="utf-8"), TextOnly)


@pytest.mark.parametrize("root", [ROOT, Path(__file__).parent / "twelve"], ids=["root", "twelve"])
@pytest.mark.parametrize("locale", LOCALES)
def test_every_definition_that_loads_fits_the_schema_of_its_kind(root: Path, locale: str) -> None:
    found = workspace_schemas(load(root), locale)
    for kind, folder in FOLDERS.items():
        jsonschema.Draft202012Validator.check_schema(found[kind])
        for path in sorted((root / folder).glob("*.yaml")):
            jsonschema.Draft202012Validator(found[kind]).validate(plain(path))
    for kind in (
        "workspace",
        "policies",
        "attributes",
        "events",
        "staff",
        "holidays",
        "attribution",
        "goals",
        "scores",
    ):
        if not (root / "config" / f"{kind}.yaml").is_file():
            continue
        jsonschema.Draft202012Validator(found[kind]).validate(plain(root / "config" / f"{kind}.yaml"))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("campaign", "campaign: Hello\nto: evrybody\nsend: welcome\nvia: email\n"),
        ("campaign", "campaign: Hello\nto: everybody\nsend: welcome\nvia: pigeon\n"),
        ("campaign", "campaign: Hello\nto: everybody\nsend: wellcome\nvia: email\n"),
        ("campaign", "campaign: Hello\nto: everybody\nsend: welcome\nvia: email\nhouldout: 10%\n"),
        (
            "campaign",
            "campaign: Hello\nto: everybody\nsend: welcome\nvia: email\ngoal: {did: order, within: 3 days}\n",
        ),
        ("segment", "segment: S\nwhere:\n  - contry: SE\n"),
        ("segment", "segment: S\nwhere:\n  - member_level: golden\n"),
        ("segment", "segment: S\nwhere:\n  - did: order_place\n"),
        ("segment", "segment: S\nwhere:\n  - any:\n      - segment: nobody\n"),
    ],
)
def test_an_unknown_name_does_not_fit(kind: str, text: str, tmp_path: Path) -> None:
    schema = workspace_schemas(load(small_workspace(tmp_path)))[kind]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(yaml.load(text, TextOnly))


def test_the_schemas_at_the_root_are_current() -> None:
    stale = [path for path, text in schema_files(load(ROOT)).items() if not (ROOT / path).is_file() or (ROOT / path).read_text() != text]  # fmt: skip
    assert stale == [], "run: tidings schemas"


@pytest.mark.parametrize("locale", LOCALES[1:])
def test_every_key_of_a_marketer_is_explained_in_her_language(locale: str) -> None:
    missing = [key.means for keys in MARKETERS for key in keys.keys if hover(key.means, locale) == key.means]
    assert missing == []


@pytest.mark.parametrize("locale", LOCALES[1:])
def test_every_text_of_every_schema_is_in_the_language(locale: str) -> None:
    english = set(_said(workspace_schemas(load(ROOT), "en")))
    assert len(english) > 100
    assert english & set(_said(workspace_schemas(load(ROOT), locale))) == set()


def _said(part: object) -> list[str]:
    if isinstance(part, dict):
        own = [part["description"]] if isinstance(part.get("description"), str) else []
        return own + [text for inner in part.values() for text in _said(inner)]
    return [text for inner in part for text in _said(inner)] if isinstance(part, list) else []


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("import: C\nkind: customers\ncustomer: id\nfields: {email: mail, member_level: level}\n", True),
        ("import: C\nkind: customers\ncustomer: id\nfields: {member_levl: level}\n", False),
        (
            "import: C\nkind: customers\ncustomer: id\nfields: {birthday: {column: b, format: DD.MM.YYYY}}\n",
            True,
        ),
        (
            "import: C\nkind: customers\ncustomer: id\nfields: {birthday: {column: b, formt: DD.MM.YYYY}}\n",
            False,
        ),
    ],
)
def test_an_import_knows_the_attributes_of_the_workspace(text: str, fits: bool, tmp_path: Path) -> None:
    schema = workspace_schemas(load(small_workspace(tmp_path)))["import"]
    assert jsonschema.Draft202012Validator(schema).is_valid(yaml.load(text, TextOnly)) == fits
    events = next(one for one in schema["oneOf"] if "event" in one["properties"])
    assert "order_total" in events["properties"]["properties"]["properties"]


def test_a_hover_text_is_shown_where_the_key_stands(tmp_path: Path) -> None:
    found = workspace_schemas(load(small_workspace(tmp_path)), "ru")
    assert found["campaign"]["properties"]["budget"]["description"] == "Никогда не превышается."
    assert found["segment"]["$defs"]["condition"]["properties"]["did"]["description"] == "Событие."
    assert found["campaign"]["properties"]["to"]["anyOf"][0]["enumDescriptions"] == ["Everybody", "Lapsed"]


def test_the_command_writes_what_is_old_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = small_workspace(tmp_path)
    monkeypatch.chdir(root)
    assert CliRunner().invoke(command, ["--check"], standalone_mode=False).return_value == 1
    assert CliRunner().invoke(command, [], standalone_mode=False).return_value == 0
    assert CliRunner().invoke(command, ["--check"], standalone_mode=False).return_value == 0
    written = json.loads((root / "config" / "schemas" / "zh-TW" / "campaign.json").read_text())
    assert written["properties"]["budget"]["description"] == "絕不超過。"
    (root / "segments" / "new.yaml").write_text("segment: New\nwhere:\n  - country: SE\n")
    shown = CliRunner().invoke(command, ["--check"], standalone_mode=False).output
    assert "config/schemas/ru/segment.json is missing or old" in shown
    assert "config/schemas/en/channel.json" not in shown
