"""What people really write, and the sentence, place and way out that they get."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.workspaces import problems_of, shown
from tidings.definitions.loader import check

CAMPAIGN = "campaign: Hello\nto: everybody\nsend: welcome\nvia: email\n"


def of_campaign(tmp_path: Path, lines: str) -> str:
    return shown(tmp_path, "campaigns/c.yaml", CAMPAIGN + lines)


def of_condition(tmp_path: Path, lines: str) -> str:
    return shown(tmp_path, "segments/s.yaml", f"segment: S\nwhere:\n  - {lines}\n")


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    assert of_campaign(tmp_path, "\nhouldout: 10%\n") == (
        'campaigns/c.yaml:6:1: "houldout" is not something a campaign can say  [KEY01]\n'
        "  5 | \n"
        "  6 | houldout: 10%\n"
        '    | ^^^^^^^^ did you mean "holdout"?'
    )


def test_an_unknown_segment_names_the_nearest(tmp_path: Path) -> None:
    text = CAMPAIGN.replace("everybody", "lapsed_big_spender")
    assert shown(tmp_path, "campaigns/c.yaml", text) == (
        'campaigns/c.yaml:2:5: no segment "lapsed_big_spender"  [REF01]\n'
        "  1 | campaign: Hello\n"
        "  2 | to: lapsed_big_spender\n"
        '    |     ^^^^^^^^^^^^^^^^^^ did you mean "lapsed_big_spenders"?'
    )


def test_a_key_written_twice_names_the_first_line(tmp_path: Path) -> None:
    assert of_campaign(tmp_path, "to: x\n") == (
        'campaigns/c.yaml:5:1: "to" is written twice  [YAM05]\n'
        "  4 | via: email\n"
        "  5 | to: x\n"
        "    | ^^ first written on line 2"
    )


def test_a_missing_key_points_where_it_should_go(tmp_path: Path) -> None:
    assert shown(tmp_path, "campaigns/c.yaml", CAMPAIGN.replace("send: welcome\n", "")) == (
        'campaigns/c.yaml:3:1: a campaign needs "send"  [KEY02]\n'
        "  2 | to: everybody\n"
        "  3 | \n"
        "    | ^ write here, for example: send: spring_winback"
    )


def test_a_missing_key_in_braces_points_at_the_closing_brace(tmp_path: Path) -> None:
    assert of_campaign(tmp_path, "goal: {did: order_placed}\n") == (
        'campaigns/c.yaml:5:25: a goal needs "within"  [KEY02]\n'
        "  4 | via: email\n"
        "  5 | goal: {did: order_placed}\n"
        "    |                         ^ write here, for example: within: 14 days"
    )


def test_carets_stand_right_under_wide_signs(tmp_path: Path) -> None:
    assert of_condition(tmp_path, "會員等級: {非: 金}").endswith(
        "  2 | where:\n"
        "  3 |   - 會員等級: {非: 金}\n"
        "    |               ^^^^^^^^ write a value, a phrase such as `at least 2`, a list, or {is: …}, {not: …}, {all: […]}"
    )


def test_all_problems_of_all_files_are_said_in_order(tmp_path: Path) -> None:
    problems = problems_of(
        tmp_path,
        {
            "campaigns/c.yaml": CAMPAIGN
            + "why: a: b\nholdout: 200%\nbudget: 5\ngoal: {did: x, within: 1 day}\n",
            "segments/s.yaml": "segment: S\nwhere:\n  - contry: SE\n  - did: order_placed\n    times: twice\n    within: 3 days\n",
            "config/events.yaml": "events: E\norder_placed: {revenue: total}\norder_returned:\n",
        },
    )
    assert [(one.at.path, one.at.line, one.code) for one in problems] == [
        ("campaigns/c.yaml", 5, "YAM02"),
        ("campaigns/c.yaml", 6, "PHR01"),
        ("campaigns/c.yaml", 7, "VAL06"),
        ("campaigns/c.yaml", 8, "REF05"),
        ("config/events.yaml", 2, "REF06"),
        ("segments/s.yaml", 3, "REF04"),
        ("segments/s.yaml", 5, "PHR07"),
        ("segments/s.yaml", 6, "PHR06"),
    ]


def test_a_broken_vocabulary_does_not_make_its_names_unknown(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {
        "config/attributes.yaml": "attributes: x\norders: {type: [\n",
        "config/events.yaml": "events: x\norder_placed: {revenue: 3}\n",
        "segments/s.yaml": "segment: S\nwhere:\n  - orders: 3\n  - did: order_placed\n    with: {a: b}\n",
    }
    assert {problem.at.path for problem in problems_of(tmp_path, files)} == {
        "config/attributes.yaml",
        "config/events.yaml",
    }


# What is written, the code, and what the sentence or the hint says.
IN_A_CAMPAIGN = [
    ("holdout: 10％", "KBD01", "write: 10%"),
    ("holdout：10％", "KBD01", "write: holdout: 10%"),
    ("except: [everybody， s]", "KBD01", "this is the full-width comma ， ; write ,"),
    ("except: ［everybody］", "KBD01", "this is the full-width bracket ［ ; write ["),
    ("via: “email”", "YAM05", "first written"),
    ("purpose: “marketing”", "KBD01", 'did you mean "marketing"?'),
    ("budget: １２００ EUR", "KBD01", "write: 1200 EUR"),
    ("why: 今天只要 #1", "YAM04", 'write: why: "今天只要 #1"'),
    ("why: #1 in town", "YAM04", 'write: why: "#1 in town"'),
    ("why: !Sale today", "YAM06", 'in quotes: why: "!Sale today"'),
    ("why: *Sale", "YAM06", 'in quotes: why: "*Sale"'),
    ("variants: {w: {say: {headline: *Sale, b: x}}}", "YAM06", 'stands in quotes: "*Sale"'),
    ("variants: {w: {say: {headline: only #1}}}", "YAM04", "put the text with # in it in quotes, and the }"),
    ("except: [everybody, everybody]", "VAL09", '"everybody" stands here twice'),
    ("goal: {did: converted, within: 3 days}", "KEY04", "not supported by this version"),
    ("why: Only today # really", "YAM04", 'write: why: "Only today # really", or put two spaces'),
    ("why: Только сегодня: скидка", "YAM02", 'write: why: "Только сегодня: скидка"'),
    ("why: !Распродажа", "YAM03", 'write: why: "!Распродажа"'),
    ("why: !Sale today", "YAM06", "put the whole text in quotes"),
    ("why: @home", "YAM03", 'write: why: "@home"'),
    ("why: *Sale*", "YAM03", 'write: why: "*Sale*"'),
    ("why: &co", "YAM06", "a text that starts with & stands in quotes"),
    ("why: %off", "YAM03", 'write: why: "%off"'),
    ("why: `code`", "YAM03", 'write: why: "`code`"'),
    ('why: say "yes": now', "YAM02", "write: why: 'say \"yes\": now'"),
    ("why: {{ name }}", "YAM13", "stands in quotes"),
    ("\twhy: x", "YAM09", "use spaces"),
    ("why:\tx", "YAM09", "write a space"),
    ("why:x", "YAM12", "write: why: x"),
    ("h\u043eldout: 10%", "KBD02", 'write "holdout" in Latin letters'),
    ("why\u00a0: x", "KBD03", 'did you mean "why"?'),
    ("holdout: 10\u00a0%", "KBD03", "write: 10 %"),
    ("holdout: 12,5%", "PHR01", "write: 12.5%"),
    ("holdout: 0.1", "PHR01", "write: 10%"),
    ("holdout: 百分之10", "PHR01", "write: 10%"),
    ("holdout: 200%", "PHR01", "a number from 0 to 100"),
    ("holdout: 100%", "VAL08", "leaves nobody"),
    ("holdout: 1.234%", "PHR01", "not a share"),
    ("budget: 2000", "VAL06", "write: 2000 EUR"),
    ("budget: 2000 eur", "PHR03", "write: 2000 EUR"),
    ("budget: 2000 EURO", "PHR03", "is not an amount of money"),
    ("budget: 2000 XYZ", "VAL06", "not a currency code"),
    ("budget: 1 200 руб", "PHR03", "write: 1200 RUB"),
    ("budget: 1200 元", "PHR03", "write 1200 CNY or 1200 TWD"),
    ("budget: NT$1200", "PHR03", "write: 1200 TWD"),
    ("budget: NT$1,200", "PHR03", "write: 1200 TWD"),
    ("budget: ¥1200", "PHR03", "write 1200 CNY or 1200 JPY"),
    ("budget: 1200￥", "PHR03", "write 1200 CNY or 1200 JPY"),
    ("budget: €20", "PHR03", "write: 20 EUR"),
    ("budget: 1.200,50 EUR", "PHR03", "write: 1200.50 EUR"),
    ("budget: -5 EUR", "VAL03", "cannot be negative"),
    ("budget: 5.555 EUR", "PHR03", "EUR has 2 decimal places"),
    ("budget: 5.5 JPY", "PHR03", "JPY has 0 decimal places"),
    ("at: 02.03.2027", "PHR04", "write: 2027-03-02"),
    ("at: 2027/3/2 9:05", "PHR04", "write: 2027-03-02 09:05"),
    ("at: 2027年3月2日", "PHR04", "write: 2027-03-02"),
    ("at: 03/02/2027", "PHR04", "write 2027-02-03 or 2027-03-02"),
    ("at: 2027-02-30 10:00", "PHR04", 'there is no "2027-02-30 10:00" in the calendar'),
    ("at: 2027-03-02", "PHR04", "write: 2027-03-02 10:00"),
    ("at: 2027-03-02T10:00:00Z", "PHR04", "write: 2027-03-02 10:00"),
    ("expires: две недели", "PHR02", "write: 2 weeks"),
    ("expires: 14 дней", "PHR02", "write: 14 days"),
    ("expires: 兩個月", "PHR02", "write: 2 months"),
    ("expires: 48h", "PHR02", "write: 48 hours"),
    ("expires: fortnight", "PHR02", "write: 2 weeks"),
    ("expires: 0 days", "PHR02", "is not a length of time"),
    ("expires: last 3 days", "PHR06", "write: 3 days"),
    ("goal: {did: order_placed, within: last 14 days}", "PHR06", "write: 14 days"),
    ("goal: {did: order_placed, within: 14 days, worth: margin}", "REF06", "margin: NAME OF A MONEY PROPERTY"),
    ("goal: {did: order_placed, within: 14 days, worth: category}", "PHR05", "declared as money"),
    ("goal: {did: refund_requested, within: 14 days, worth: revenue}", "REF06", "declares no revenue"),
    ("goal: {did: order_placed, within: 14 days, counts: all}", "VAL02", "first, every"),
    ("spend: 400 EUR", "KEY06", "budget: 2000 EUR"),
    ("variants: {a: {share: 30%}, b: {share: 30%}}", "VAL08", "40% of the treated would get nothing"),
    ("variants: {a: {share: 100%}, b: {}}", "VAL08", 'nothing is left for "b"'),
    ("variants: {a: {share: 70%}, b: {share: 31%}}", "VAL08", "over 100%"),
    ("variants: [a, b]", "KEY03", "keys with values; here stands a list"),
    ("variants: {a: {say: {headline: {english: x}}}}", "VAL07", "en, ru or zh-TW"),
    ("holdout:", "KEY03", "nothing stands here"),
    ("also: {did: order_placed}", "KEY03", "put - in front of each line"),
]  # fmt: skip


@pytest.mark.parametrize("line, code, said", IN_A_CAMPAIGN, ids=[line for line, _, _ in IN_A_CAMPAIGN])
def test_in_a_campaign(line: str, code: str, said: str, tmp_path: Path) -> None:
    text = of_campaign(tmp_path, f"{line}\n")
    assert f"[{code}]" in text
    assert said in text
    assert "campaigns/c.yaml:5:" in text


IN_A_CONDITION = [
    ("orders: >= 250", "YAM11", "write: at least 250"),
    ("orders: < 250", "PHR05", "write: less than 250"),
    ("country: <5", "YAM11", "write: less than 5"),
    ("last_order_at: before 02.03.2027", "PHR05", "write: less than 2027-03-02"),
    ("last_order_at: after 2027/3/2", "PHR05", "write: more than 2027-03-02"),
    ("last_order_at: on 2027年3月2日", "PHR05", "write: 2027-03-02"),
    ("last_order_at: since 2027-03-02", "PHR05", "write: at least 2027-03-02"),
    ("last_order_at: before 03/02/2027", "PHR05", "write: less than 2027-02-03 or less than 2027-03-02"),
    ("last_order_at: between 02.03.2027 and 2027-04-02", "PHR04", "write: 2027-03-02"),
    ("last_order_at: {not: before 02.03.2027}", "PHR05", "write: less than 2027-03-02"),
    ("country: before 2027-03-02", "PHR05", '{is: "before 2027-03-02"}'),
    ("did: registered", "KEY04", "there is sent, delivered, bounced, opened, clicked, replied, redeemed, unsubscribed, spam_reported, and every event"),
    ("any:\n      - did_not: attended", "KEY04", "not supported by this version"),
    ("orders: at least two", "PHR05", '"two" is not a number'),
    ("orders: atleast 2", "PHR05", '"orders" is a number'),
    ("orders: 12,5", "PHR05", '"orders" is a number'),
    ("orders: at least 5 EUR", "PHR05", "without a currency"),
    ("orders: starts with 5", "PHR05", "is said of texts"),
    ("orders: between 10 and 5", "PHR08", "between 5 and 10"),
    ("country: at least 5", "PHR05", '{is: "at least 5"}'),
    ("country: [RU, starts with S]", "PHR05", "stands alone, not in a list"),
    ("country: more than 3 days ago", "PHR05", "is said of dates"),
    ("country: {all: [SE]}", "PHR05", "only a list"),
    ("country: {of: x}", "PHR05", "says nothing about"),
    ("country: []", "KEY03", "fits nobody"),
    ("vip: yes", "PHR05", "write true or false"),
    ("member_level: golden", "REF10", 'did you mean "gold"?'),
    ("member_level: [gold, sliver]", "REF10", 'did you mean "silver"?'),
    ("lifetime_value: at least 500 USD", "PHR09", "is kept in EUR, and this is in USD"),
    ("lifetime_value: at least 1 200 руб", "PHR03", "write: 1200 RUB"),
    ("last_order_at: at least 02.03.2027", "PHR04", "write: 2027-03-02"),
    ("last_order_at: 2027-03-02 10:00", "PHR04", "is a date and has no hour"),
    ("last_order_at: less than 30 days ago", "PHR05", "write: in the last 30 days"),
    ("last_order_at: 90 days ago", "PHR05", "write: more than 90 days ago"),
    ("last_order_at: in the last 30 дней", "PHR05", "write: in the last 30 days"),
    ("birthday: anniversary tomorrow", "PHR05", "anniversary today"),
    ("contry: SE", "REF04", 'did you mean "country"?'),
    ("\u0441ountry: SE", "KBD02", "its first letter is the Cyrillic \u0441"),
    ("order_placed: 3", "REF04", "write: did: order_placed"),
    ("everybody: true", "REF04", "write: segment: everybody"),
    ("rank: {by: x}", "KEY04", "not supported by this version"),
    ("segment: evrybody", "REF01", 'did you mean "everybody"?'),
    ("segment: [everybody]", "KEY03", "here stands a list"),
    ("any: {country: SE}", "KEY03", "put - in front of each line"),
    ("did: order_place", "REF05", 'did you mean "order_placed"?'),
    ("did: order_placed\n    times: twice", "PHR07", "at least 2, at most 3, between 2 and 5"),
    ("did: order_placed\n    times: between 5 and 2", "PHR08", "between 2 and 5"),
    ("did: order_placed\n    within: 30 days", "PHR06", "write: last 30 days"),
    ("did: order_placed\n    within: last две недели", "PHR02", "write: last 2 weeks"),
    ("did: order_placed\n    between: 2027-01-01", "PHR04", "2027-01-01 and 2027-03-31"),
    ("did: order_placed\n    between: 2027-03-31 and 2027-01-01", "PHR08", "2027-01-01 and 2027-03-31"),
    ("did: order_placed\n    with: {categry: a}", "REF06", 'did you mean "category"?'),
    ("did: order_placed\n    with: {items: a}", "PHR05", '"items" is a number'),
    ("did: order_placed\n    total: {category: at least 3}", "PHR05", "only numbers and money have a total"),
    ("did: order_placed\n    total: {order_total: 1, items: 2}", "KEY03", "exactly one property"),
    ("did: order_placed\n    total: {items: 1}\n    average: {items: 2}", "KEY07", "write a second condition"),
    ("did: order_placed\n    which: last", "KEY04", "not supported by this version"),
    ("did: order_placed\n    country: SE", "KEY07", 'put - in front of "country"'),
    ("did: order_placed\n    did_not: order_returned", "KEY07", "each with its own -"),
    ("did: clicked\n    with: {link: a}", "REF06", "it has no properties"),
]  # fmt: skip


@pytest.mark.parametrize("line, code, said", IN_A_CONDITION, ids=[line for line, _, _ in IN_A_CONDITION])
def test_in_a_condition(line: str, code: str, said: str, tmp_path: Path) -> None:
    text = of_condition(tmp_path, line)
    assert f"[{code}]" in text
    assert said in text


def test_circles_of_segments_name_their_path_once(tmp_path: Path) -> None:
    segment = "segment: S\nwhere:\n  - any: [{segment: %s}]\n"
    files: dict[str, str | bytes | None] = {
        f"segments/{a}.yaml": segment % b for a, b in ("ab", "bc", "ca", "da")
    }
    problems = problems_of(tmp_path, files)
    assert [problem.message for problem in problems] == [
        "these segments refer to each other in a circle: a → b → c → a"
    ]
    assert problems[0].at.path == "segments/c.yaml"


@pytest.mark.parametrize(
    ("encoding", "text", "likely"),
    [
        ("cp1251", "segment: Новые покупатели\n", "CP1251"),
        ("gb18030", "segment: 新的客户很多\n", "GB18030"),
        ("big5", "segment: 新的客戶很多\n", "Big5"),
    ],
)
def test_an_old_encoding_is_named(encoding: str, text: str, likely: str, tmp_path: Path) -> None:
    said = shown(tmp_path, "segments/s.yaml", text.encode(encoding))
    assert said.startswith("segments/s.yaml:1:10: this file is not UTF-8: byte 0x")
    assert likely in said


@pytest.mark.parametrize(
    "text",
    [
        "channel: C\nadapter: smtp\nsecrets:\n  password: correct-horse\n",
        "channel: C\nadapter: smtp\nsecrets: {password: correct-horse}\n",
        "channel: C\nadapter: smtp\noptions:\n  password: correct-horse\n",
        "channel: C\nadapter: smtp\noptions: {api_key: correct-horse}\n",
        "channel: C\nadapter: smtp\npassword: correct-horse\n",
        "channel: C\nadapter: smtp\nsecrets:\n  password: correct-horse\n  user: a: b\nhouse: 3\n",
        "channel: C\nadapter: smtp\nsecrets:\n  token: x: correct-horse\n",
        "channel: C\nadapter: smtp\nsecrets:\n  user: !correct-horse\n",
        "channel: C\nadapter: smtp\nsecrets:\n  - correct-horse\n",
        "channel: C\nadapter: smtp\noptions: {url: 'https://bob:correct-horse@host'}\n",
        "channel: C\nadapter: smtp\nsecrets:\n  user: &correct-horse x\n",
        "channel: C\nadapter: smtp\nsecrets:\n  user: *correct-horse\n",
    ],
)
def test_a_secret_is_refused_and_never_repeated(text: str, tmp_path: Path) -> None:
    problems = problems_of(tmp_path, {"channels/c.yaml": text})
    assert problems
    for problem in problems:
        assert "correct-horse" not in problem.render() + str(problem.as_json())


def test_a_store_with_a_password_is_refused_and_not_repeated(tmp_path: Path) -> None:
    text = shown(
        tmp_path,
        "config/workspace.yaml",
        "workspace: W\nid: w\nzone: UTC\nsalt: 12345678\ncurrency: EUR\nenvironments:\n"
        "  production:\n    store: postgresql://bob:correct-horse@db/x\n",
    )
    assert "[SEC01]" in text and "store_from: TIDINGS_STORE" in text and "correct-horse" not in text


def test_two_tests_of_one_name_are_refused(tmp_path: Path) -> None:
    text = "import: T\nkind: experiment\ncampaign: lift\ncustomer: c\narm: a\noutcomes: {v: v}\n"
    problems = problems_of(tmp_path, {"config/imports/a.yaml": text, "config/imports/b.yaml": text})
    assert [(one.code, one.at.path, one.at.line) for one in problems] == [
        ("REF12", "config/imports/b.yaml", 3)
    ]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("segments/new.yml", "rename it to new.yaml"),
        ("segments/old/new.yaml", "move it to segments/"),
        ("segments/_defaults.yaml", "not read by this version"),
        ("config/polices.yaml", 'did you mean "policies.yaml"?'),
        ("config/rates.yaml", "not read by this version"),
    ],
)
def test_a_file_that_nobody_reads_is_a_warning(path: str, said: str, tmp_path: Path) -> None:
    problems = problems_of(tmp_path, {path: "x: y\n"})
    assert [(one.code, one.severity) for one in problems] == [("FIL06", "warning")]
    assert said in problems[0].render()
    assert check(tmp_path)[0] is not None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("attributes: x\nemail: text\n", "REF12"),
        ("attributes: x\ndid: text\n", "VAL04"),
        ("attributes: x\na b: text\n", "VAL04"),
        ("attributes: x\n" + "д" * 31 + ": text\n", "VAL04"),
        ("attributes: x\nvip会員: text\n", "KBD02"),
        ("attributes: x\na: {type: text, currency: EUR}\n", "KEY07"),
        ("attributes: x\na: {type: number, lowest: 5, highest: 2}\n", "PHR08"),
        ("attributes: x\na: text\nb: {type: text, was: a}\n", "REF12"),
        ("attributes: x\na: {type: date, from: last order_placed}\n", "KEY04"),
        ("a: text\n", "KEY05"),
    ],
)
def test_attributes_that_cannot_be(text: str, code: str, tmp_path: Path) -> None:
    problems = problems_of(tmp_path, {"config/attributes.yaml": text})
    assert code in {one.code for one in problems if one.at.path == "config/attributes.yaml"}
