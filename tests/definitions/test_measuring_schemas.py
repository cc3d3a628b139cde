"""What an editor is told of config/attribution.yaml, goals.yaml and scores.yaml."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from definitions.test_measuring_files import (
    ADS,
    ATTRIBUTION,
    KEPT,
    LADDER,
    MONEY_GOAL,
    PROJECT,
    SCORES,
    A,
    G,
    S,
)
from support.workspaces import small_workspace
from tidings.definitions.editor import workspace_schemas
from tidings.definitions.loader import load


def test_an_editor_offers_the_goals_scores_media_and_events_of_the_workspace(tmp_path: Path) -> None:
    files = {G: MONEY_GOAL, S: SCORES, A: ATTRIBUTION, "config/imports/ads.yaml": ADS}
    found = workspace_schemas(load(small_workspace(tmp_path, files)), "ru")
    for kind in ("campaign", "flow"):
        serves = found[kind]["properties"]["serves"]
        assert (serves["enum"], serves["enumDescriptions"]) == (["more"], ["More revenue"])
    assert "again" in found["segment"]["properties"]["rank"]["properties"]["by"]["examples"]
    credit = found["attribution"]["properties"]
    assert credit["conversions"]["anyOf"][0]["enum"] == ["order_placed", "order_returned"]
    assert set(credit["windows"]["properties"]) == {"email", "sms", "search", "any"}
    assert credit["half_life"]["description"].startswith("Для затухания")
    goal = found["goals"]["additionalProperties"]["properties"]
    assert "new_customers" in goal["measure"]["examples"]
    assert found["goals"]["$defs"]["condition"]["properties"]["did"]["enum"]
    score = found["scores"]["additionalProperties"]["properties"]
    assert "order_placed" in score["did"]["enum"] and "everybody" in score["who"]["enum"]


@pytest.mark.parametrize(
    ("kind", "text", "fits"),
    [
        ("attribution", ATTRIBUTION, True),
        ("attribution", ATTRIBUTION.replace("seen: 1 day", "sean: 1 day"), False),
        ("attribution", ATTRIBUTION.replace("shapley", "shaply"), False),
        ("attribution", ATTRIBUTION.replace("order_placed", "order_place"), False),
        ("goals", MONEY_GOAL, True),
        ("goals", KEPT, True),
        ("goals", PROJECT, True),
        ("goals", LADDER, True),
        ("goals", LADDER.replace("{did: order_placed,", "{did: order_paced,"), False),
        ("goals", MONEY_GOAL.replace("owner:", "ownr:"), False),
        ("scores", SCORES, True),
        ("scores", SCORES.replace("within:", "withn:"), False),
    ],
)
def test_the_schema_of_an_editor_takes_what_the_check_takes(
    kind: str, text: str, fits: bool, tmp_path: Path
) -> None:
    schema = workspace_schemas(load(small_workspace(tmp_path, {"config/imports/ads.yaml": ADS})))[kind]
    jsonschema.Draft202012Validator.check_schema(schema)
    plain = yaml.load(text, yaml.BaseLoader)
    if "order" in plain:
        plain["order"] = int(plain["order"])
    for goal in plain.values():
        if isinstance(goal, dict) and "kind" in goal:
            goal |= {key: float(goal[key]) for key in ("weight", "priority") if key in goal}
    assert jsonschema.Draft202012Validator(schema).is_valid(plain) == fits
