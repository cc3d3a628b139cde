"""Rendering in a process with limits: the same bytes, the poisoned row refused alone, everybody else written to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from support.messages import CLOCK, RICH, URLS, VOCABULARY, recipient, sources
from tidings.errors import TidingsError
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.parts import Parts
from tidings.templates.spec import EmailSpec
from tidings.templates.worker import BatchRenderer, RenderFailure

SLOW = (
    "{% for a in interests %}{% for b in interests %}"
    + "{% if a | upper | lower | title == b | upper | lower | title %}{% endif %}" * 20
    + "{% endfor %}{% endfor %}"
)


def spec(files: dict[str, bytes], **more: Any) -> EmailSpec:
    """Return what a small message is compiled from."""
    given: dict[str, Any] = {
        "sources": files, "folder": "templates/spring", "locale": "en", "fallback_locale": "en", "attributes": VOCABULARY,
        "sender": "Nordic Garden <hello@nordicgarden.example>", "postal_address": "Storgatan 1", "salt": "r1",
    }  # fmt: skip
    return EmailSpec(**given | more)


def renderer(files: dict[str, bytes], **limits: Any) -> BatchRenderer:
    """Return a renderer of a small message."""
    made = spec(files)
    return BatchRenderer(made, made.compile(CLOCK), **limits)


def poisoned(number: int = 7) -> Recipient:
    """Return a customer whose lists take minutes where others take microseconds."""
    return recipient(number, interests=[f"entry {n} " * 400 for n in range(200)])


Row = tuple[Recipient, MessageUrls]


def people(count: int, **more: Any) -> list[Row]:
    """Return customers with different values."""
    return [
        (recipient(n, full_name=f"Anna {n} Ω <b>", interests=["a", f"b{n}"], **more), URLS)
        for n in range(1, count + 1)
    ]


@pytest.fixture(scope="module")
def rich() -> Iterator[BatchRenderer]:
    """One process for the message with a value in every kind of place."""
    with renderer(RICH) as made:
        yield made


def test_the_bytes_are_those_of_filling_here(rich: BatchRenderer) -> None:
    rows = people(50)
    here = spec(RICH).compile(CLOCK)
    assert rich.render_many(rows) == [here.fill(*row) for row in rows]
    assert rich.render_parts(rows) == [here.fill_parts(*row) for row in rows]
    assert rich.kills == 0


def test_rows_that_cannot_be_written_are_refused_as_here_and_cost_nothing(rich: BatchRenderer) -> None:
    rows = [
        *people(2),
        (recipient(3, full_name=7.5, interests="no list"), URLS),
        (recipient(4, address="nobody"), URLS),
        *people(2),
    ]
    made = rich.render_many(rows)
    assert [type(one) for one in made] == [bytes, bytes, RenderFailure, RenderFailure, bytes, bytes]
    assert isinstance(made[2], RenderFailure) and (made[2].field, made[2].code) == (
        "interests",
        "render_error",
    )
    assert isinstance(made[3], RenderFailure) and made[3].field == "email"
    assert rich.kills == 0


def test_no_row_is_no_process() -> None:
    with renderer(RICH) as made:
        assert made.render_many([]) == []
        assert made._process is None


@pytest.mark.parametrize("places", [[0], [19], [3, 4]])
def test_rows_that_take_too_long_are_refused_and_all_others_are_written(places: list[int]) -> None:
    rows = people(20)
    for place in places:
        rows[place] = (poisoned(place + 1), URLS)
    with renderer(sources(html=SLOW + '{{ full_name or "" }}', text=SLOW), seconds=1.0) as made:
        results = made.render_many(rows)
        assert [n for n, one in enumerate(results) if isinstance(one, RenderFailure)] == places
        # Once in its batch, once alone.
        assert made.kills == 2 * len(places)
        for place in places:
            assert results[place] == RenderFailure("message", "takes longer than 1 seconds to write")
        here = spec(sources(html=SLOW + '{{ full_name or "" }}', text=SLOW)).compile(CLOCK)
        for n, (row, result) in enumerate(zip(rows, results, strict=True)):
            assert n in places or result == here.fill(*row)


def test_a_row_alone_that_takes_too_long_is_refused_after_one_kill() -> None:
    with renderer(sources(html=SLOW), seconds=1.0) as made:
        assert isinstance(made.render_many([(poisoned(), URLS)])[0], RenderFailure)
        assert made.kills == 1
        assert isinstance(made.render_many(people(1))[0], bytes)


def test_a_row_that_takes_too_much_memory_is_refused() -> None:
    rows = people(5)
    rows[2] = (recipient(3, full_name="x" * 30_000_000), URLS)
    with renderer(
        sources(html="{{ full_name | upper | title | lower or '' }}"), memory=40_000_000, seconds=20
    ) as made:
        results = made.render_many(rows)
    assert [isinstance(one, bytes) for one in results] == [True, True, False, True, True]


def test_a_process_that_dies_in_between_costs_nobody_a_message() -> None:
    with renderer(RICH) as made:
        assert isinstance(made.render_many(people(1))[0], bytes)
        assert made._process is not None
        made._process.kill()
        made._process.wait()
        assert all(isinstance(one, bytes) for one in made.render_many(people(5)))
        assert made.kills == 1


def test_links_are_minted_here_and_the_process_never_sees_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_SECRET", "correct horse")
    with renderer(RICH) as made:
        made.render_many(people(1))
        assert made._process is not None
        with open(f"/proc/{made._process.pid}/environ", "rb") as handle:
            assert b"correct horse" not in handle.read()
    asked: list[int] = []
    watched = MessageUrls(lambda message, _, url: asked.append(message) or url, URLS.pixel, URLS.unsubscribe)  # type: ignore[func-returns-value]
    with renderer(RICH) as made:
        made.render_many([(recipient(9, full_name="Anna"), watched)])
    assert set(asked) == {9}


def test_closing_ends_the_process_and_a_closed_renderer_starts_another() -> None:
    made = renderer(RICH)
    made.render_many(people(1))
    assert made._process is not None
    pid = made._process.pid
    made.close()
    made.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert isinstance(made.render_many(people(1))[0], bytes)
    made.close()


def test_a_process_that_cannot_compile_says_why() -> None:
    good = spec(RICH)
    with (
        BatchRenderer(spec({"email.en.txt": b"no subject"}), good.compile(CLOCK)) as made,
        pytest.raises(TidingsError) as raised,
    ):
        made.render_many(people(1))
    assert "does not start" in raised.value.message


def test_a_spec_travels_as_json_and_back() -> None:
    import json

    whole = spec(
        RICH | {"images/a.png": b"\x89PNG"},
        texts={"headline": {"en": "Hi", "ru": "Привет"}, "words": "x"},
        list_id="a.b",
    )
    again = EmailSpec.from_json(json.loads(json.dumps(whole.as_json())))
    person = recipient(full_name="Anna", interests=["a"])
    assert again.compile(CLOCK).fill(person, URLS) == whole.compile(CLOCK).fill(person, URLS)
    assert again.sources == whole.sources


def test_only_a_loop_in_a_loop_is_worth_a_process() -> None:
    assert spec(sources(html=SLOW)).compile(CLOCK).nested
    assert not spec(RICH).compile(CLOCK).nested


def test_fields_carry_the_same_refusals() -> None:
    with renderer(sources(text="{{ interests | join }}")) as made:
        good, bad = made.render_parts([*people(1), (recipient(2), URLS)])
    assert isinstance(good, Parts)
    assert isinstance(bad, RenderFailure)
    assert bad.field == "interests"
