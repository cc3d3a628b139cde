"""Traffic through the real path: messages in a store, records in a spool, drained and judged; then counted."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa

from support.spooled import spooled
from support.tracking import SALT, rows_of, sent_run, url
from tidings.clock import to_micros
from tidings.responses.drain import drain
from tidings.responses.traffic import traffic
from tidings.store.tables import answers, sending


def played(store, folder, clock, mix):
    """Send a mix, drain what comes of it, and return what was made with the verdicts on it, open by open, click by click."""
    began = to_micros(clock.now())
    messages = sent_run(store, mix.recipients, links=mix.links, accepted_at=began)
    made = traffic(mix, began, url, lambda place: f"K{place}")
    table, receipts = sending.messages, sending.receipts
    told = [one for one in made.sent if one.delivered_at is not None]
    with store.durable("test") as connection:
        connection.execute(
            sa.update(table).where(table.c.id == sa.bindparam("of")).values(accepted_at=sa.bindparam("at")),
            [{"of": messages[one.place], "at": one.accepted_at} for one in made.sent],
        )
        for start in range(0, len(told), 1_000):
            connection.execute(
                sa.insert(receipts),
                [
                    {
                        "provider": "test", "event_id": f"d{one.place}", "kind": "delivered", "at": one.delivered_at,
                        "message_id": messages[one.place], "received_at": one.delivered_at, "channel": "email",
                    }
                    for one in told[start : start + 1_000]
                ],
            )  # fmt: skip
    records = [
        one.record | ({"m": messages[one.record["m"]]} if "m" in one.record else {}) for one in made.made
    ]
    spooled(folder, clock, records)
    result = drain(store, folder, salt=SALT)
    assert (result.torn, result.refused) == (0, 0)
    return judged(store, made)


def judged(store, made):
    """Return each hit that was made with the row of its response."""
    hits = [one for one in made.made if one.record["k"] in ("open", "click")]
    rows = rows_of(store, answers.responses)
    by_hit = {row.hit_id: row for row in rows}
    # A visit is kept as it came and judged by nobody.
    stored = rows_of(store, answers.hits, answers.hits.c.kind != "visit")
    assert len(stored) == len(hits) == len(rows)
    return [(one, by_hit[row.id]) for one, row in zip(hits, stored, strict=True)]


def figures(pairs):
    """Return precision and recall of human clicks, the counts behind them, and the same counts profile by profile."""
    counts, profiles = Counter(), {}
    for made, row in pairs:
        if made.record["k"] == "click":
            cell = ("human" if made.human else "machine", row.judged)
            counts[cell] += 1
            profiles.setdefault(made.profile, Counter())[cell] += 1
    right = counts["human", "human"]
    precision = right / (right + counts["machine", "human"])
    recall = right / sum(count for (truth, _), count in counts.items() if truth == "human")
    return precision, recall, counts, profiles


def table(name, pairs):
    """Return the confusion of a mix as lines: the sum first, then profile by profile."""
    precision, recall, counts, profiles = figures(pairs)

    def line(title, cells):
        people = (cells["human", "human"], cells["human", "machine"] + cells["human", "unknown"])
        machines = (cells["machine", "machine"] + cells["machine", "unknown"], cells["machine", "human"])
        return f"  {title:14}{people[0]:>12}{people[1]:>12}{machines[0]:>12}{machines[1]:>12}"

    head = f"  {'clicks of':14}{'people':>12}{'taken for':>12}{'machines':>12}{'taken for':>12}"
    below = f"  {'':14}{'found':>12}{'machines':>12}{'found':>12}{'people':>12}"
    return "\n".join(
        [
            f"{name}: human-click precision {precision:.4f}, recall {recall:.4f}",
            head,
            below,
            *(line(profile, cells) for profile, cells in sorted(profiles.items())),
            line("all", counts),
        ]
    )
