"""Writing messages whose templates are rendered in a process with limits, against rendering them here: same words.

Wall time of batches of 500, best of three rounds, which counts both processes; and what it costs to start the process and
to find one poisoned row in a batch. The exit code is 1 where a message costs more than three times as much as here, the bytes
differ, or the poisoned row takes more than itself alone or over six times its limit.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from bench_render import ADDRESS, CLOCK, HTML, TEXT, URLS
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.templates.email import Recipient
from tidings.templates.spec import EmailSpec
from tidings.templates.worker import BatchRenderer, RenderFailure

QUICK = "--quick" in sys.argv
BATCH = 500
SECONDS = 1.0
MOST, MOST_SECONDS = 3.0, 6 * SECONDS
SLOW = (
    "{% for a in interests %}{% for b in interests %}"
    + "{% if a | upper | lower == b | upper | lower %}{% endif %}" * 20
    + "{% endfor %}{% endfor %}"
)


def spec(html: str) -> EmailSpec:
    """Return what the message is compiled from."""
    head = "Subject: Spring for {{ full_name or 'you' }}\n\n"
    return EmailSpec(
        sources={"email.html": html.encode(), "email.txt": (head + TEXT).encode()},
        folder="templates/bench",
        locale="en",
        fallback_locale="en",
        attributes=Attributes((Attribute("full_name", "text"), Attribute("interests", "list"))),
        sender="Nordic Garden <hello@nordicgarden.example>",
        postal_address=ADDRESS,
        salt="bench",
    )


def person(number: int, interests: list[str] | None = None) -> Recipient:
    """Return recipient number n."""
    values = {"full_name": f"Anna {number}", "interests": interests or ["garden", "tools"]}
    return Recipient(number, "k", f"c{number}@example.com", "en", values)


def best_of(work: Callable[[], object], count: int) -> float:
    """Return the wall time of one of `count` messages in microseconds, best of three rounds."""
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return round(best / count * 1e6, 1)


def main() -> int:
    """Measure, and say that both ways write the same bytes."""
    count = 1_000 if QUICK else 5_000
    rows = [(person(number), URLS) for number in range(1, count + 1)]
    made = spec(HTML)
    email = made.compile(CLOCK)
    figures: dict[str, Any] = {"messages": count}
    with BatchRenderer(made, email) as renderer:
        began = time.perf_counter()
        first = renderer.render_many(rows[:1])
        figures["start_ms"] = round((time.perf_counter() - began) * 1e3)

        def away() -> list[bytes | RenderFailure]:
            return [
                one for at in range(0, count, BATCH) for one in renderer.render_many(rows[at : at + BATCH])
            ]

        figures["in_a_process_us"] = best_of(away, count)
        figures["here_us"] = best_of(lambda: [email.fill(*row) for row in rows], count)
        figures["same_bytes"] = away() == [email.fill(*row) for row in rows] and first == [
            email.fill(*rows[0])
        ]
    slow = spec(HTML.replace("<body>", "<body>" + SLOW))
    batch = rows[:BATCH]
    batch[BATCH // 2] = (person(BATCH // 2 + 1, [f"entry {n} " * 400 for n in range(200)]), URLS)
    with BatchRenderer(slow, slow.compile(CLOCK), seconds=SECONDS) as renderer:
        renderer.render_many(rows[:1])
        began = time.perf_counter()
        results = renderer.render_many(batch)
        figures["batch_with_a_poisoned_row_seconds"] = round(time.perf_counter() - began, 2)
        figures["refused"] = sum(isinstance(one, RenderFailure) for one in results)
        figures["kills"] = renderer.kills
    figures["ratio"] = round(figures["in_a_process_us"] / figures["here_us"], 2)
    missed = (
        figures["ratio"] > MOST
        or not figures["same_bytes"]
        or figures["refused"] != 1
        or figures["batch_with_a_poisoned_row_seconds"] > MOST_SECONDS
    )
    if "--json" in sys.argv:
        print(json.dumps(figures))
        return int(missed)
    print(f"{count:,} messages, batches of {BATCH}, wall time a message")
    print(f"  rendered here          {figures['here_us']:>8} us")
    print(
        f"  rendered in a process  {figures['in_a_process_us']:>8} us; the same bytes: {figures['same_bytes']}"
    )
    print(f"  ratio {figures['ratio']} (target: at most {MOST:g})")
    print(f"  starting the process   {figures['start_ms']:>8} ms, once")
    print(
        f"  a batch with one row that never ends, at {SECONDS:g} s a row: "
        f"{figures['batch_with_a_poisoned_row_seconds']} s, {figures['refused']} refused, {figures['kills']} kills"
    )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
