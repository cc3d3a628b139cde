"""Artifacts are what was put in; the audit trail shows that it was changed; every column says what erasure does."""

from __future__ import annotations

import hashlib
import threading
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from support.stores import ATTRIBUTES
from tidings.errors import StoreError
from tidings.store import artifacts, audit
from tidings.store.database import Store
from tidings.store.tables import keeping, metadata, sending
from tidings.store.vocabulary import attributes_table

AT = datetime(2027, 3, 2, 9, 0, tzinfo=UTC)


def test_content_is_kept_once_and_comes_back(store: Store) -> None:
    content = bytes(range(256)) * 10
    with store.durable("test") as connection:
        first = artifacts.put(connection, "template", content, 1)
        assert artifacts.put(connection, "policy", content, 2) == first
        other = artifacts.put(connection, "template", b"", 3)
    assert first == hashlib.sha256(content).hexdigest()
    with store.read() as connection:
        assert artifacts.get(connection, first) == content
        assert artifacts.get(connection, other) == b""
        kinds = connection.execute(sa.select(sending.artifacts.c.kind)).scalars().all()
    assert kinds == ["template", "template"]


def test_missing_and_damaged_content_is_named(store: Store) -> None:
    with store.durable("test") as connection:
        sha = artifacts.put(connection, "template", b"Dear customer", 1)
        connection.execute(sending.artifacts.update().values(bytes=b"Dear client"))
    with store.read() as connection:
        with pytest.raises(StoreError, match="is damaged"):
            artifacts.get(connection, sha)
        with pytest.raises(StoreError, match="has no artifact"):
            artifacts.get(connection, "0" * 64)


def _append(store: Store, number: int) -> None:
    detail = {
        "number": number,
        "share": 2.0,
        "big": 1e22,
        "small": 1e-7,
        "text": "花 \"'\\",
        "list": [1, None, {"a": True}],
    }
    with store.durable("audit") as connection:
        audit.append(connection, AT, "asa", "run approved", f"campaign {number}", detail)


def test_an_untouched_trail_is_whole(store: Store) -> None:
    with store.read() as connection:
        assert audit.verify(connection) == 0
    for number in range(5):
        _append(store, number)
    with store.read() as connection:
        assert audit.verify(connection) == 5


@pytest.mark.parametrize(
    "column, value",
    [
        ("actor", "eve"),
        ("at", 1),
        ("detail", {"number": 99}),
        ("hash", "f" * 64),
        ("previous_hash", "e" * 64),
    ],
)
def test_a_changed_row_breaks_the_trail(store: Store, column: str, value: object) -> None:
    for number in range(3):
        _append(store, number)
    table = keeping.audit
    with store.durable("tamper") as connection:
        second = connection.execute(
            sa.select(table.c.id).order_by(table.c.id).offset(1).limit(1)
        ).scalar_one()
        connection.execute(table.update().where(table.c.id == second).values({column: value}))
    with store.read() as connection, pytest.raises(StoreError, match=f"broken at row {second}"):
        audit.verify(connection)


def test_a_removed_row_breaks_the_trail(store: Store) -> None:
    for number in range(3):
        _append(store, number)
    table = keeping.audit
    with store.durable("tamper") as connection:
        first = sa.select(sa.func.min(table.c.id)).scalar_subquery()
        connection.execute(table.delete().where(table.c.id == first))
    with store.read() as connection, pytest.raises(StoreError, match="broken at row"):
        audit.verify(connection)


def test_the_trail_stays_whole_when_many_write_at_once(store: Store) -> None:
    threads = [
        threading.Thread(target=lambda: [_append(store, number) for number in range(5)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as connection:
        assert audit.verify(connection) == 20


def test_a_rolled_back_act_leaves_no_row(store: Store) -> None:
    _append(store, 1)
    with pytest.raises(ZeroDivisionError), store.durable("audit") as connection:
        audit.append(connection, 5, "asa", "x", "y", {})
        _ = 1 / 0
    _append(store, 2)
    with store.read() as connection:
        assert audit.verify(connection) == 2


# Text and JSON that hold words of ours, codes, hashes of content or names from definitions: never anything of a person.
IMPERSONAL = {
    "artifacts": {"sha256", "kind", "bytes"},
    "attempts": {"outcome"},
    "attribute_changes": {"attribute", "source"},
    "audit": {"actor", "action", "subject", "detail", "previous_hash", "hash"},
    "cap_use": {"cap", "period"},
    "channel_pauses": {"channel", "reason"},
    "claims": {"owner", "boot_id", "state"},
    "consents": {"channel", "purpose", "topic", "state", "basis", "source", "artifact"},
    "conversions": {"goal", "goal_version", "currency"},
    "customer_lists": {"attribute"},
    "customers": {"locale", "zone", "country"},
    "merges": {"actor", "undone_by", "detail"},
    "merge_moves": {"what"},
    "enrolments": {"arm", "variant"},
    "event_items": {"item", "name"},
    "event_names": {"name"},
    "events": {"source", "dedupe_key", "currency"},
    "flow_versions": {"definition_hash", "policy_hash", "approved_by", "moved"},
    "hits": {"spool_key", "kind", "method"},
    "identity": {
        "store_id",
        "workspace",
        "environment",
        "salt_hash",
        "vocabulary_hash",
        "clock",
        "pause_reason",
    },
    "attributions": {"rule_hash", "model", "grouping", "result"},
    "best_sellers": {"category", "item"},
    "bought_together": {"item", "other"},
    "codes": {"pool", "code", "state"},
    "costs": {"mapping", "day", "source", "medium", "label", "campaign", "currency"},
    "expectations": {"metric", "currency"},
    "offers_given": {"offer"},
    "products": {"item", "name", "category", "currency", "url", "picture"},
    "redemptions": {"code", "offer", "currency", "judged", "dedupe_key", "order_key"},
    "score_models": {"hash", "score", "model", "quality"},
    "imports": {"mapping", "file", "fingerprint", "state", "counts"},
    "journey_steps": {"step", "what", "detail"},
    "journeys": {"state", "step", "outcome"},
    "links": {"variant", "locale", "url", "step"},
    "listed_numbers": {"channel", "mapping"},
    "locks": {"name", "owner"},
    "mailed_papers": {"paper", "occurrence", "recipient", "state", "detail"},
    "measured_blocks": {"what", "held"},
    "messages": {
        "step",
        "channel",
        "variant",
        "state",
        "provider_ref",
        "refusal_code",
        "refusal_rule",
        "policy_hash",
    },
    "occurrences": {"campaign", "occurrence", "state", "reason"},
    "outcomes": {"metric", "phase", "currency"},
    "plan_members": {"arm", "variant", "channel", "refusal_code", "refusal_rule"},
    "plans": {"hash", "campaign", "occurrence", "definition_hash", "salt", "state", "summary"},
    "rate_buckets": {"name"},
    "receipts": {
        "provider",
        "event_id",
        "kind",
        "channel",
        "state",
        "reference",
        "provider_ref",
        "scope",
        "code",
        "currency",
    },
    "responses": {"kind", "judged", "reason", "class", "signals"},
    "run_artifacts": {"role", "sha256"},
    "notices": {"channel", "kind", "body", "event_id", "state", "provider_ref"},
    "provider_refs": {"channel", "provider_ref"},
    "runs": {
        "campaign",
        "occurrence",
        "kind",
        "definition_hash",
        "policy_hash",
        "salt",
        "state",
        "pause_reason",
        "approved_by",
        "bounds",
    },
    "scores": {"score", "model"},
    "segment_members": {"segment"},
    "segment_runs": {"segment", "definition_hash"},
    "spool_progress": {"file"},
    "standing_approvals": {"campaign", "definition_hash", "bounds", "approved_by", "state", "reason"},
    "suppressions": {"channel", "reason", "source"},
    "tasks": {"step", "person", "email", "state", "mail", "escalation"},
    "touches": {"channel", "campaign", "kind", "currency", "dedupe_key", "source", "matched_by"},
    "trigger_marks": {"name", "detail"},
    "vocabulary_columns": {"name", "type", "currency"},
    "work_runs": {"work", "subject", "owner", "state", "outcome"},
    "zone_areas": {"area", "zones", "data"},
}


def _wordy(column: sa.Column[object]) -> bool:
    return isinstance(column.type, sa.Text | sa.String | sa.JSON | sa.LargeBinary)


def test_every_column_that_can_hold_words_says_what_erasure_does() -> None:
    unsaid = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if _wordy(column)
        and column.info.get("personal") is None
        and column.name not in IMPERSONAL.get(table.name, set())
    }
    assert unsaid == set()


def test_the_list_of_impersonal_columns_is_true() -> None:
    for name, columns in IMPERSONAL.items():
        table = metadata.tables[name]
        for column in columns:
            assert table.c[column].info.get("personal") is None, (name, column)


def test_erasure_knows_only_three_words() -> None:
    tables = [*metadata.tables.values(), attributes_table(ATTRIBUTES)]
    said = {
        column.info["personal"] for table in tables for column in table.columns if "personal" in column.info
    }
    assert said == {"erase", "hash", "keep"}
    assert all(
        column.info.get("personal") for column in attributes_table(ATTRIBUTES).columns if _wordy(column)
    )
