"""Whatever stands in a file, the answer is definitions or problems with a place: never another exception."""

from __future__ import annotations

import random
import time
import unicodedata
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.workspaces import FILES, small_workspace, write
from tidings.definitions.composing import compose
from tidings.definitions.loader import check
from tidings.definitions.source import SourceFile

PATHS = [
    "segments/everybody.yaml",
    "campaigns/spring.yaml",
    "channels/email.yaml",
    "config/workspace.yaml",
    "config/policies.yaml",
    "config/attributes.yaml",
    "config/events.yaml",
    "config/imports/orders.yaml",
]
FILE_TEXTS = {
    **FILES,
    "config/imports/orders.yaml": "import: O\nkind: events\nevent: order_placed\ncustomer: c\nat: d\n",
}
PIECES = [
    "segment: ", "campaign: ", "where:", "\n", "\n  - ", "\n    ", "did: order_placed", "times: at least 2", "within: last ",
    "country: ", "orders: ", "lifetime_value: ", "last_order_at: ", "to: ", "via: [email", "]", "{", "}", "[", ": ", ":", "#1",
    " # x", "!", "&a ", "*a", "<<: ", "---\n", "%YAML 1.1\n", "'", '"', "\\x", "|\n", ">-\n", "? ", "- ", "：", "，", "％", "“",
    "\u00a0", "\t", "500 EUR", "12,5%", "１０", "between 5 and 2", "at least ", "\ufeff", "\u2028", "\x85", "\x00", "null", "~",
    "true", "1e9", "0x1F", "9" * 40, "2027-02-30", "две недели", "variants: {a: {share: 60%}}", "secrets: {password: x}", "😀",
]  # fmt: skip
QUIET = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_workspace(tmp_path_factory.mktemp("fuzz"))


def answer(root: Path, path: str, content: bytes) -> None:
    write(root, {path: content})
    definitions, problems = check(root)
    assert (definitions is None) == any(problem.severity == "error" for problem in problems)
    for problem in problems:
        assert problem.at.line >= 1 and problem.at.column >= 1 and problem.at.length >= 1
        assert problem.message and len(problem.render()) < 5_000
        problem.as_json()
    write(root, {path: FILE_TEXTS.get(path)})


@QUIET
@given(path=st.sampled_from(PATHS), content=st.binary(max_size=200))
def test_any_bytes(root: Path, path: str, content: bytes) -> None:
    answer(root, path, content)


@QUIET
@given(path=st.sampled_from(PATHS), text=st.text(max_size=200))
def test_any_text(root: Path, path: str, text: str) -> None:
    answer(root, path, text.encode("utf-8", "surrogatepass"))


@QUIET
@given(path=st.sampled_from(PATHS), pieces=st.lists(st.sampled_from(PIECES), max_size=25))
def test_any_heap_of_pieces(root: Path, path: str, pieces: list[str]) -> None:
    answer(root, path, "".join(pieces).encode())


@QUIET
@given(path=st.sampled_from(PATHS), data=st.data())
def test_any_slip_of_the_hand_in_a_sound_file(root: Path, path: str, data: st.DataObject) -> None:
    text = FILE_TEXTS[path]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 8)))
    answer(root, path, (text[:start] + data.draw(st.sampled_from(PIECES)) + text[end:]).encode())


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(max_size=8),
        st.sampled_from([one.strip() for one in PIECES]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@QUIET
@given(path=st.sampled_from(PATHS), key=st.data(), value=VALUES)
def test_any_value_under_any_key(root: Path, path: str, key: st.DataObject, value: object) -> None:
    """Types of the wrong shape everywhere a reader looks, nested keys included."""
    content = yaml.safe_load(FILE_TEXTS[path])
    target = content
    while True:
        name = key.draw(st.sampled_from(sorted(target)))
        if isinstance(target[name], dict) and target[name] and key.draw(st.booleans()):
            target = target[name]
            continue
        target[name] = value
        break
    answer(root, path, yaml.safe_dump(content, allow_unicode=True).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("seed", range(3))
def test_the_pure_loader_reads_what_the_fast_one_reads(seed: int) -> None:
    """Where libyaml is missing, sound files give the same nodes; the two differ only in what they refuse."""
    draw = random.Random(seed)
    texts = list(FILES.values())
    equal = 0
    for number in range(300):
        text = texts[number % len(texts)]
        if number >= len(texts):
            at = draw.randrange(len(text))
            text = text[:at] + draw.choice(PIECES) + text[at + draw.randrange(3) :]
        found = []
        for loader in (yaml.CSafeLoader, yaml.SafeLoader):
            file = SourceFile("x.yaml", text.encode())
            if not file.decode():
                root, problems = compose(file, loader)
                found += [root] if not problems else []
        if len(found) == 2:
            assert found[0] == found[1], text
            equal += 1
    assert equal > 100


BOMBS = {
    "deep lists": "segment: " + "[" * 400_000,
    "deep keys": "segment: " + "{a: " * 200_000,
    "deep lines": "\n".join(" " * n + "a:" for n in range(1000)),
    "aliases": "a: &a [x,x]\n" + "".join(f"b{n}: &b{n} [*a,*a]\n" for n in range(20_000)),
    "one long line": "segment: " + "x" * 990_000,
    "long spaces": "segment: a" + " " * 900_000 + "b: c",
    "many items": "segment: S\nwhere: [" + "a, " * 300_000 + "]",
    "many keys": "segment: S\n" + "".join(f"k{n}: 1\n" for n in range(80_000)),
    "passwords": "password" * 120_000 + "\nx: {" + "password" * 100,
    "digits": "segment: S\nwhere: [{orders: " + "9" * 900_000 + "}]",
    "commas": "segment: S\nwhere: [{lifetime_value: " + "1 " * 400_000 + "}]",
    "quotes": "segment: '" + "''" * 400_000,
    "colons": "a:b:" * 200_000 + " : x: y",
    "dashes": "- " * 400_000,
    "questions": "? " * 300_000,
    "repairs": "".join(f"k{n}: a: b\n" for n in range(60_000)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_made_to_hurt_is_answered_soon(root: Path, name: str) -> None:
    started = time.process_time()
    answer(root, "segments/everybody.yaml", BOMBS[name].encode())
    assert time.process_time() - started < 8


def test_exactly_the_signs_that_nobody_sees_are_refused() -> None:
    signs = [chr(number) for number in range(0x11000) if not 0xD800 <= number < 0xE000]
    unseen = {one for one in signs if unicodedata.category(one) == "Cc"} - set("\t\n\r")
    unseen |= set("\u2028\u2029\ufeff\ufffe\uffff")
    for one in sorted(unseen):
        file = SourceFile("config/odd.yaml", f"fine\na{one}b".encode())
        assert [(told.code, told.at.line, told.at.column) for told in file.decode()] == [("FIL04", 2, 2)], one
    rest = "".join(one for one in signs if one not in unseen)
    assert SourceFile("config/odd.yaml", rest.encode()).decode() == []
