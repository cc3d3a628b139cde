"""What input methods and word processors put into values, and that one cause is one problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.workspaces import FILES, problems_of, small_workspace
from tidings.definitions.loader import load

IMPORT = "import: Orders\nkind: events\nevent: order_placed\ncustomer: customer\nat: day\n"
CAMPAIGN = "campaign: Hello\nto: everybody\nsend: welcome\nvia: email\n"
WIDE_COMMA = "this is the full-width comma"
NO_BREAK = "there is a no-break space"
QUOTE = "this is a typographic quote"


@pytest.mark.parametrize(
    ("line", "code", "message", "hint"),
    [
        ("country: [SE\uff0c NO]", "KBD01", WIDE_COMMA, "write: SE, NO"),
        ("country: [RU\uff0cBY]", "KBD01", WIDE_COMMA, "write: RU, BY"),
        ("country: SE\uff0cNO", "KBD01", WIDE_COMMA, "write: [SE, NO]"),
        ("country: {not: [SE\uff0cNO]}", "KBD01", WIDE_COMMA, "write: SE, NO"),
        ("country: [SE\u3001NO]", "KBD01", "this is the ideographic comma", "write: SE, NO"),
        ("country: {not\uff1a SE}", "KBD01", "this is the full-width colon", "write: {not: SE}"),
        ("country: \uff3bSE, NO\uff3d", "KBD01", "this is the full-width bracket", "write: [SE, NO]"),
        ("country: \u00a0SE", "KBD03", NO_BREAK, "write: SE"),
        ("country: SE\u00a0", "KBD03", NO_BREAK, "write: SE"),
        ("country: '\u00a0SE'", "KBD03", NO_BREAK, "write: SE"),
        ("country: \u201cRU\u201d", "KBD01", QUOTE, 'write: "RU"'),
        ("country: [\u300cRU\u300d, SE]", "KBD01", QUOTE, 'write: "RU"'),
        ("country: {is: \u201cat least 5\u201d}", "KBD01", QUOTE, 'write: "at least 5"'),
        ("country: starts with \u201cA\u201d", "KBD01", QUOTE, 'write: starts with "A"'),
        ("did: order_placed\n    with: {category: [garden\uff0c tools]}", "KBD01", WIDE_COMMA, "write: garden, tools"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("under", ["where", "except"])
def test_a_sign_of_an_input_method_in_a_value_is_named(
    under: str, line: str, code: str, message: str, hint: str, tmp_path: Path
) -> None:
    first = "segment: S\nwhere: [{email: known}]\n" if under == "except" else "segment: S\n"
    (problem,) = problems_of(tmp_path, {"segments/s.yaml": f"{first}{under}:\n  - {line}\n"})
    assert problem.code == code
    assert problem.message.startswith(message)
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("skip: [{Status: [a\uff0c b]}]", "KBD01", WIDE_COMMA),
        ("skip: [{Status: \u201cRU\u201d}]", "KBD01", QUOTE),
        ("skip: [{Status: \u00a0x}]", "KBD03", NO_BREAK),
        ("skip: [{Status\uff1a x}]", "KBD01", "this is the full-width colon"),
        ("returns: {when: [{Q: a\uff0cb}], event: order_returned}", "KBD01", WIDE_COMMA),
        ("properties: {category: {column: c, values: {M: \u201cm\u201d}}}", "KBD01", QUOTE),
        (
            "properties: {category: {column: c, values: {M\uff1a m}}}",
            "KBD01",
            "this is the full-width colon",
        ),
        ("skip: [{Day: before 02.03.2027}]", "PHR05", '"Day" is a column'),
    ],
)
def test_a_sign_of_an_input_method_in_a_test_of_a_row_is_named(
    line: str, code: str, message: str, tmp_path: Path
) -> None:
    (problem,) = problems_of(tmp_path, {"config/imports/o.yaml": f"{IMPORT}{line}\n"})
    assert problem.code == code
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    "line",
    [
        'country: "RU\uff0cBY"',
        'country: ["RU\uff0cBY", SE]',
        'country: {is: "\u201cRU\u201d"}',
        'country: contains "\uff0c"',
        "country: O\u2019Brien",
        "country: 山田\u3000太郎",
        "country: 满100％",
    ],
)
def test_a_text_that_is_meant_as_it_stands_loads(line: str, tmp_path: Path) -> None:
    assert problems_of(tmp_path, {"segments/s.yaml": f"segment: S\nwhere:\n  - {line}\n"}) == []


def test_titles_and_free_texts_may_have_the_signs_of_their_language(tmp_path: Path) -> None:
    text = (
        "campaign: “春天”，再见\nto: everybody\nsend: welcome\nvia: email\nwhy: «Скидка»\u00a0— да，是\n"
        "variants:\n  warm:\n    say:\n      headline: 春天，来了\n"
    )
    assert problems_of(tmp_path, {"campaigns/c.yaml": text}) == []


@pytest.mark.parametrize("text", ["今天只要 #1", "#1 in town", "!Распродажа", "!Sale now", "*Sale*", "*Sale", "@home", "&co x", "%off"])  # fmt: skip
@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("segments/s.yaml", "segment: {}\n"),
        ("segments/s.yaml", "segment: S\nwhy: {}\n"),
        ("segments/s.yaml", "segment: S\nwhere: {}\n"),
        ("segments/s.yaml", "segment: S\nwhere:\n  - country: {}\n"),
        ("campaigns/c.yaml", CAMPAIGN + "variants:\n  warm:\n    say:\n      headline: {}\n"),
    ],
)
def test_one_slip_of_spelling_is_one_problem_with_the_line_to_paste(
    path: str, written: str, text: str, tmp_path: Path
) -> None:
    problems = problems_of(tmp_path, {path: written.format(text)})
    spelling = [one for one in problems if one.code.startswith("YAM")]
    assert len(spelling) == 1
    assert f': "{text}"' in spelling[0].hint
    # A segment without `where` lacks it truly; nothing else may be said of the one slip.
    rest = [one.code for one in problems if one not in spelling]
    assert rest == [] or (rest == ["KEY02"] and "where" not in written)


@pytest.mark.parametrize("text", ["!Распродажа", "*Sale*", "@home"])
def test_a_line_that_yaml_cannot_read_makes_no_key_missing(text: str, tmp_path: Path) -> None:
    problems = problems_of(tmp_path, {"segments/s.yaml": f"segment: {text}\n"})
    assert [one.code for one in problems] == ["YAM03"]


@pytest.mark.parametrize("key", ["quiet_from", "quiet_until"])
def test_an_older_word_for_quiet_hours_is_answered_with_the_right_one(key: str, tmp_path: Path) -> None:
    text = FILES["config/policies.yaml"] + f"{key}: 21:00\n"
    (problem,) = problems_of(tmp_path, {"config/policies.yaml": text})
    assert (problem.code, problem.message) == ("KEY06", f'"{key}" is not a key of the policies file')
    assert problem.hint == "write quiet: {sms: 20:00 to 09:00}"


def test_the_clock_is_the_embedded_one_or_prefect(tmp_path: Path) -> None:
    text = FILES["config/workspace.yaml"]
    (problem,) = problems_of(tmp_path, {"config/workspace.yaml": text + "clock: prefekt\n"})
    assert (problem.code, problem.hint) == ("VAL02", 'did you mean "prefect"?')
    for clock in ("embedded", "prefect"):
        root = small_workspace(tmp_path / clock, {"config/workspace.yaml": text + f"clock: {clock}\n"})
        assert load(root).workspace.clock == clock


@pytest.mark.parametrize(
    ("line", "was"),
    [
        ("via: [email, email]", "via: email"),
        ("to: [everybody, everybody]", "to: everybody"),
        ("except: [everybody, everybody]", ""),
    ],
)
def test_a_name_stands_once_in_its_list(line: str, was: str, tmp_path: Path) -> None:
    text = CAMPAIGN.replace(was, line) if was else f"{CAMPAIGN}{line}\n"
    (problem,) = problems_of(tmp_path, {"campaigns/c.yaml": text})
    assert problem.code == "VAL09"
    assert problem.at.column == line.rindex(",") + 3


@pytest.mark.parametrize(
    "name", ["sent", "delivered", "bounced", "opened", "clicked", "replied", "unsubscribed", "spam_reported"]
)
def test_the_responses_that_are_recorded_can_be_asked_for(name: str, tmp_path: Path) -> None:
    files = {
        "segments/s.yaml": f"segment: S\nwhere:\n  - did: {name}\n",
        "campaigns/c.yaml": f"{CAMPAIGN}holdout: none\ngoal: {{did: {name}, within: 3 days}}\n",
    }
    assert problems_of(tmp_path, dict(files)) == []
    assert load(tmp_path).segments["s"]


@pytest.mark.parametrize("name", ["answered", "registered", "attended", "converted"])
def test_responses_that_nobody_records_are_refused_where_they_stand(name: str, tmp_path: Path) -> None:
    files = {
        "segments/s.yaml": f"segment: S\nwhere:\n  - did: {name}\n",
        "campaigns/c.yaml": f"{CAMPAIGN}goal: {{did: {name}, within: 3 days}}\n",
    }
    found = [
        (one.code, one.at.path, one.at.line, one.at.column) for one in problems_of(tmp_path, dict(files))
    ]
    assert found == [("KEY04", "campaigns/c.yaml", 5, 13), ("KEY04", "segments/s.yaml", 3, 10)]


def test_no_import_makes_a_response(tmp_path: Path) -> None:
    text = IMPORT.replace("order_placed", "clicked")
    (problem,) = problems_of(tmp_path, {"config/imports/o.yaml": text})
    assert (problem.code, problem.at.line) == ("REF05", 3)
    assert "no import makes one" in problem.message
