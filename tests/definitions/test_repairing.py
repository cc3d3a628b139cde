"""`tidings fmt`: what keyboards and editors did is undone, and nothing else changes by a byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.workspaces import FILES, small_workspace, write
from tidings.cli.fmt import command
from tidings.definitions.hashing import canonical
from tidings.definitions.loader import check, load
from tidings.definitions.repairing import repair
from tidings.errors import UsageError

CAMPAIGN = "campaign: Hello\nto: everybody\nsend: welcome\nvia: email\n"
RUSSIAN = "# для клиентов, которые давно не покупали\nsegment: Ушедшие покупатели\nwhy: Скидка окупается только на них\nwhere:\n  - country: RU\n"
TAIWAN = (
    "# 很久沒有購買的顧客\nsegment: 台北園藝展的名單\nwhy: 只有他們值得寄送優惠券\nwhere:\n  - country: TW\n"
)
CHINA = (
    "# 很久没有购买的顾客\nsegment: 上海园艺展的名单\nwhy: 只有他们值得寄送优惠券\nwhere:\n  - country: CN\n"
)


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("holdout：10％\n", "holdout: 10%\n"),
        ("holdout: 10％  # half of 20％\n", "holdout: 10%  # half of 20％\n"),
        ("except: [everybody， lapsed_big_spenders]\n", "except: [everybody, lapsed_big_spenders]\n"),
        ("except: ［everybody，lapsed_big_spenders］\n", "except: [everybody, lapsed_big_spenders]\n"),
        ("budget: １２００ EUR\n", "budget: 1200 EUR\n"),
        ("budget: 1200\u00a0EUR\n", "budget: 1200 EUR\n"),
        ("expires: 14\u202fdays\n", "expires: 14 days\n"),
        ("why:\tbecause\n", "why: because\n"),
        ("holdout: 12.5\u00a0%\n", "holdout: 12.5%\n"),
        (
            "goal：\n  did：order_placed\n  within：14 days\n",
            "goal:\n  did: order_placed\n  within: 14 days\n",
        ),
        (
            "goal:\n\tdid: order_placed\n\twithin: 14 days\n",
            "goal:\n  did: order_placed\n  within: 14 days\n",
        ),
        ("purpose: “marketing”\n", 'purpose: "marketing"\n'),
        ("why\u00a0: x\n", "why: x\n"),
    ],
)
def test_a_trap_is_repaired(written: str, right: str, tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {"campaigns/c.yaml": CAMPAIGN + written})
    found = repair(root, "campaigns/c.yaml", (CAMPAIGN + written).encode())
    assert found.after.rstrip() == (CAMPAIGN + right).rstrip()
    write(root, {"campaigns/c.yaml": found.content})
    assert check(root)[0] is not None


@pytest.mark.parametrize(
    "text",
    [
        "campaign: “春天”，再见\nwhy: «Скидка»\u00a0— да，是\n",
        "campaign: Hello  # 備註：百分之１０％，\u00a0好\n",
        "campaign: '10％，好'\nvariants:\n  warm:\n    say:\n      headline: 春天，来了：七五折\n",
        "campaign: Hello\nwhy: first line\n  備註：second line\n",
    ],
)
def test_what_is_meant_stays_byte_for_byte(text: str, tmp_path: Path) -> None:
    content = (text + "to: everybody\nsend: welcome\nvia: email\n").encode()
    root = small_workspace(tmp_path, {"campaigns/c.yaml": content})
    assert repair(root, "campaigns/c.yaml", content).content == content


@pytest.mark.parametrize(
    ("text", "encoding", "said"),
    [
        (RUSSIAN, "cp1251", "CP1251 becomes UTF-8"),
        (TAIWAN, "big5", "Big5 becomes UTF-8"),
        (CHINA, "gb18030", "GB18030 becomes UTF-8"),
        (RUSSIAN, "utf-16", "UTF-16 becomes UTF-8"),
        (TAIWAN, "utf-16-le", "UTF-16 becomes UTF-8"),
        (CHINA, "utf-16-be", "UTF-16 becomes UTF-8"),
        (RUSSIAN, "utf-8-sig", "the byte-order mark goes"),
    ],
)
def test_an_older_encoding_is_recognised(text: str, encoding: str, said: str, tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {"segments/s.yaml": text.encode(encoding)})
    found = repair(root, "segments/s.yaml", text.encode(encoding))
    assert found.content == text.encode() and found.said == (said,)


@pytest.mark.parametrize(
    ("name", "text"),
    [("cp1251", RUSSIAN), ("big5", TAIWAN), ("gb18030", TAIWAN), ("gb18030", CHINA), ("big5", CHINA)],
)
def test_a_short_text_is_never_taken_for_another_language(name: str, text: str, tmp_path: Path) -> None:
    """Each title alone, in each encoding that has its signs: read right, or not decided, never wrong."""
    root = small_workspace(tmp_path)
    for line in text.splitlines():
        short = f"segment: {line.split(': ')[-1].lstrip('# ')}\nwhere:\n  - country: SE\n"
        try:
            content = short.encode(name)
        except UnicodeEncodeError:
            continue
        if content.isascii():
            continue
        try:
            found = repair(root, "segments/s.yaml", content)
        except UsageError:
            continue
        assert found.after == short, (name, short)


def test_the_encoding_can_be_named(tmp_path: Path) -> None:
    content = "segment: да\nwhere:\n  - country: RU\n".encode("cp1251")
    root = small_workspace(tmp_path, {"segments/s.yaml": content})
    with pytest.raises(UsageError, match="its encoding is not plain"):
        repair(root, "segments/s.yaml", content)
    assert "да" in repair(root, "segments/s.yaml", content, encoding="cp1251").after


def test_line_ends_of_windows_go(tmp_path: Path) -> None:
    root = small_workspace(tmp_path)
    found = repair(root, "campaigns/c.yaml", CAMPAIGN.replace("\n", "\r\n").encode())
    assert found.content == CAMPAIGN.encode() and found.said == ("line ends become those of Unix",)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["segments/everybody.yaml", "campaigns/spring.yaml", "channels/email.yaml"]),
    at=st.integers(0, 200),
    sign=st.sampled_from(["：", "，", "％", "\u00a0", "\t", "　", "“", "”", "、", "［", "\u200b", "１", "»"]),
)
def test_whatever_loaded_before_means_the_same_afterwards(
    path: str, at: int, sign: str, tmp_path: Path
) -> None:
    root = small_workspace(tmp_path)
    text = FILES[path]
    at %= len(text)
    content = (text[:at] + sign + text[at:]).encode()
    write(root, {path: content})
    before, _ = check(root)
    try:
        found = repair(root, path, content)
    except UsageError:
        return
    if before is not None:
        write(root, {path: found.content})
        assert canonical(load(root).campaigns) == canonical(before.campaigns)
        assert canonical(load(root).segments) == canonical(before.segments)
    again = repair(root, path, found.content)
    assert again.content == found.content


def test_the_command_shows_the_difference_and_writes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = CAMPAIGN + "holdout：10％   # 對照組，１０％\n"
    root = small_workspace(tmp_path, {"campaigns/c.yaml": text, "segments/r.yaml": RUSSIAN.encode("cp1251")})
    path = root / "campaigns" / "c.yaml"
    path.chmod(0o640)
    monkeypatch.chdir(root)
    shown = CliRunner().invoke(command, ["--check"], standalone_mode=False)
    assert shown.return_value == 1 and path.read_text() == text
    assert "-holdout：10％   # 對照組，１０％\n+holdout: 10%   # 對照組，１０％" in shown.output
    assert "segments/r.yaml: CP1251 becomes UTF-8" in shown.output
    assert CliRunner().invoke(command, [], standalone_mode=False).return_value == 0
    assert path.read_text() == CAMPAIGN + "holdout: 10%   # 對照組，１０％\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert (root / "segments" / "r.yaml").read_text() == RUSSIAN
    assert check(root)[0] is not None
    last = CliRunner().invoke(command, ["--check"], standalone_mode=False)
    assert last.return_value == 0 and last.output.endswith("0 would be repaired\n")
    assert not list(root.rglob(".*yaml*"))


def test_a_file_of_a_message_gets_its_encoding_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = small_workspace(tmp_path)
    path = root / "templates" / "welcome" / "email.ru.txt"
    path.write_bytes("Subject: Привет\r\n\r\nСкидка 10％ сегодня, приходите\r\n".encode("utf-16"))
    monkeypatch.chdir(root)
    assert CliRunner().invoke(command, [str(path)], standalone_mode=False).return_value == 0
    assert path.read_bytes() == "Subject: Привет\n\nСкидка 10％ сегодня, приходите\n".encode()


WIDE = [
    ("segment：台灣會員\nwhere：\n  - country：TW\n", "segment: 台灣會員\nwhere:\n  - country: TW\n"),
    (
        "segment：「台灣」會員　　＃ 備註：好\nwhy：他們：好，對\nwhere：\n　－　country：［TW，HK］\n",
        "segment: 「台灣」會員    # 備註：好\nwhy: 他們：好，對\nwhere:\n  - country: [TW, HK]\n",
    ),
    (
        "segment：“台灣，會員”\nwhere：\n　- did：order_placed\n　　times：at least ２\n　　with：｛category：「garden」｝\n",
        'segment: "台灣，會員"\nwhere:\n  - did: order_placed\n    times: at least 2\n    with: {category: "garden"}\n',
    ),
    (
        "segment：台灣會員\nwhy：|\n  他們：好\n  ＃ 一\nwhere：\n- any：\n  - country：TW\n",
        "segment: 台灣會員\nwhy: |\n  他們：好\n  ＃ 一\nwhere:\n- any:\n  - country: TW\n",
    ),
]


@pytest.mark.parametrize(("typed", "meant"), WIDE)
def test_a_file_typed_wholly_with_an_input_method_is_repaired(typed: str, meant: str, tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {"segments/s.yaml": typed})
    found = repair(root, "segments/s.yaml", typed.encode())
    assert found.after == meant
    write(root, {"segments/s.yaml": found.content})
    assert check(root)[0] is not None


def test_the_check_names_every_line_of_a_file_typed_with_an_input_method(tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {"segments/s.yaml": WIDE[0][0]})
    problems = check(root)[1]
    assert [(one.code, one.at.line, one.at.column) for one in problems] == [
        ("KBD01", 1, 8),
        ("KBD01", 2, 6),
        ("KBD01", 3, 12),
    ]
    assert problems[0].hint == "write: segment: 台灣會員"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [TAIWAN, RUSSIAN, CAMPAIGN.replace("campaign", "segment")])
def test_the_check_recognises_utf_16(encoding: str, text: str, tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {"segments/s.yaml": text.encode(encoding)})
    (found,) = check(root)[1]
    assert (found.code, found.message) == ("FIL02", "this file is UTF-16, not UTF-8")
    assert found.hint.endswith("tidings fmt segments/s.yaml")


@pytest.mark.parametrize("text", [TAIWAN, CHINA, RUSSIAN])
@pytest.mark.parametrize("encoding", ["gb18030", "big5", "cp1251", "latin-1"])
def test_what_is_utf_8_is_never_read_as_a_named_encoding(
    text: str, encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = small_workspace(tmp_path, {"segments/s.yaml": text})
    monkeypatch.chdir(root)
    shown = CliRunner().invoke(command, ["segments/s.yaml", "--encoding", encoding], standalone_mode=False)
    assert shown.return_value == 0
    assert (root / "segments" / "s.yaml").read_text() == text
    assert f"it is UTF-8 already, so it was read as that, and not as {encoding}" in shown.output


def test_a_file_that_still_does_not_load_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = small_workspace(tmp_path, {"campaigns/c.yaml": CAMPAIGN + "holdout：10％\nhouldout: 10%\n"})
    monkeypatch.chdir(root)
    for options in (["--check"], [], []):
        shown = CliRunner().invoke(command, options, standalone_mode=False)
        assert shown.return_value == 1
        assert "campaigns/c.yaml still does not load: 1 problem; see: tidings check" in shown.output


def test_a_run_can_be_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = (CAMPAIGN + "holdout：10％\n").encode()
    root = small_workspace(tmp_path, {"campaigns/c.yaml": old, "segments/r.yaml": RUSSIAN.encode("cp1251")})
    monkeypatch.chdir(root)
    assert "tidings fmt --undo" in CliRunner().invoke(command, [], standalone_mode=False).output
    shown = CliRunner().invoke(command, ["--undo"], standalone_mode=False)
    assert shown.return_value == 0 and "2 files given back" in shown.output
    assert (root / "campaigns" / "c.yaml").read_bytes() == old
    assert (root / "segments" / "r.yaml").read_bytes() == RUSSIAN.encode("cp1251")
    with pytest.raises(UsageError, match="nothing to undo"):
        CliRunner().invoke(command, ["--undo"], standalone_mode=False, catch_exceptions=False)


def test_taking_back_leaves_alone_what_was_written_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = (CAMPAIGN + "holdout：10％\n").encode()
    root = small_workspace(tmp_path, {"campaigns/c.yaml": old})
    monkeypatch.chdir(root)
    CliRunner().invoke(command, [], standalone_mode=False)
    path = root / "campaigns" / "c.yaml"
    path.write_text(path.read_text() + "budget: 2 EUR\n")
    shown = CliRunner().invoke(command, ["--undo"], standalone_mode=False)
    assert shown.return_value == 1 and "was changed since and is left alone" in shown.output
    assert path.read_text().endswith("budget: 2 EUR\n")
    assert next((root / ".tidings" / "undo").rglob("c.yaml")).read_bytes() == old
