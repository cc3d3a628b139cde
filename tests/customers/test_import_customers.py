import csv
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from support.import_world import CUSTOMER_HEADER, CUSTOMERS, DEFINITIONS, contents, customer, write_csv
from tidings.clock import FixedClock, to_micros
from tidings.customers.consent import ConsentRow, record
from tidings.customers.identity import Drawer, address_hash, customer_u
from tidings.customers.importing import import_file
from tidings.customers.result import ImportResult
from tidings.definitions.conditions import AttributeCondition
from tidings.definitions.kinds.importing import Column, RowTest
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.values import Is, Known
from tidings.errors import TidingsError
from tidings.store.database import Store
from tidings.store.tables import people
from tidings.store.vocabulary import attributes_table

ATTRIBUTES = attributes_table(DEFINITIONS.attributes)
TABLES = (people.customers, ATTRIBUTES, people.customer_lists, people.consents, people.attribute_changes)


@pytest.fixture
def bring(store: Store, tmp_path: Path) -> Callable[..., ImportResult]:
    def bring_(
        *rows: tuple[str, ...], name: str = "customers.csv", header: Any = CUSTOMER_HEADER, **more: Any
    ) -> ImportResult:
        path = write_csv(tmp_path / name, header, rows)
        mapping = more.pop("mapping", CUSTOMERS)
        definitions = more.pop("definitions", DEFINITIONS)
        return import_file(store, definitions, mapping, path, **more)

    return bring_


def one(store: Store, key: str) -> dict[str, Any]:
    joined = people.customers.outerjoin(ATTRIBUTES, ATTRIBUTES.c.customer_id == people.customers.c.id)
    with store.read() as connection:
        row = connection.execute(
            sa.select(people.customers, ATTRIBUTES).select_from(joined).where(people.customers.c.key == key)
        )
        found = dict(row.mappings().one())
        found["interests"] = sorted(
            connection.execute(
                sa.select(people.customer_lists.c.value).where(
                    people.customer_lists.c.customer_id == found["id"]
                )
            ).scalars()
        )
    return found


def test_every_field_of_a_row_arrives(store: Store, bring: Callable[..., ImportResult]) -> None:
    result = bring(customer(2, email=" U2@Example.COM "))
    assert (result.rows, result.created, result.updated, result.unchanged, result.rejected) == (1, 1, 0, 0, 0)
    found = one(store, "C2")
    assert found["u"] == customer_u("salt", "C2")
    assert (found["email"], found["phone"], found["country"]) == ("u2@example.com", "+46701740002", "SE")
    assert found["email_hash"] == address_hash("salt", "email", "u2@example.com")
    assert found["phone_hash"] == address_hash("salt", "sms", "+46701740002")
    assert found["fax_hash"] is None
    assert (found["full_name"], found["member_level"], found["birthday"]) == (
        "Åsa 2",
        "gold",
        date(1990, 3, 2),
    )
    assert (found["lifetime_value"], found["orders"], found["vip"]) == (1250, 2.0, False)
    assert found["interests"] == ["roses", "trees"]


def test_importing_twice_changes_nothing(store: Store, bring: Callable[..., ImportResult]) -> None:
    rows = [customer(number) for number in range(30)]
    first = bring(*rows)
    before = contents(store, TABLES)
    second = bring(*rows)
    assert not first.already
    assert second.already
    assert (second.rows, second.created) == (30, 30)
    third = bring(*rows, again=True)
    assert (third.created, third.updated, third.unchanged) == (0, 0, 30)
    assert contents(store, TABLES) == before


def test_overlapping_exports_change_only_what_differs(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    bring(*[customer(number) for number in range(20)])
    overlapping = [customer(number) for number in range(10, 30)]
    overlapping[0] = customer(10, level="gold", phone="", likes="trees;tools")
    result = bring(*overlapping, name="later.csv")
    assert (result.created, result.updated, result.unchanged) == (10, 1, 9)
    found = one(store, "C10")
    assert found["member_level"] == "gold"
    assert found["interests"] == ["tools", "trees"]
    assert found["phone"] == "+46701740010", "an empty cell says nothing"


def test_a_customer_twice_in_a_file_ends_as_the_last_row_says(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    result = bring(
        customer(1, level="basic"), customer(1, level="silver", name=""), customer(1, level="silver")
    )
    assert (result.created, result.updated, result.unchanged) == (1, 1, 1)
    assert (one(store, "C1")["member_level"], one(store, "C1")["full_name"]) == ("silver", "Åsa 1")


def test_rows_that_cannot_be_taken_stand_in_a_file_and_can_be_repaired_there(
    store: Store, bring: Callable[..., ImportResult], tmp_path: Path
) -> None:
    result = bring(
        customer(1),
        customer(2, email="nobody"),
        customer(3, level="platinum", name="=HYPERLINK(1)"),
        ("C4", "too", "short"),
        customer(5, name="a\0b"),
        customer(6, id=""),
        customer(7, phone="+4612"),
    )
    assert (result.rows, result.created, result.rejected) == (7, 1, 6)
    assert result.rejects_path == tmp_path / "customers.csv.rejects.csv"
    assert stat.S_IMODE(result.rejects_path.stat().st_mode) == 0o600
    with result.rejects_path.open(newline="") as file:
        header, *rejected = list(csv.reader(file))
    assert header == ["line", "reason", "column", *CUSTOMER_HEADER]
    assert [(row[0], row[2]) for row in rejected] == [
        ("3", "email"), ("4", "level"), ("5", ""), ("6", ""), ("7", "id"), ("8", "phone"),
    ]  # fmt: skip
    assert '"nobody" is not an e-mail address' in rejected[0][1]
    assert rejected[1][7] == "'=HYPERLINK(1)"
    assert rejected[5][5] == "+4612"
    rejected[0][4] = "two@example.com"
    rejected[1][9] = "gold"
    repaired = write_csv(tmp_path / "repaired.csv", header, rejected[:2])
    again = import_file(store, DEFINITIONS, CUSTOMERS, repaired)
    assert (again.created, again.rejected) == (2, 0)
    assert one(store, "C3")["full_name"] == "=HYPERLINK(1)"


def test_the_file_of_rejects_goes_when_nothing_is_rejected_any_more(
    bring: Callable[..., ImportResult], tmp_path: Path
) -> None:
    bring(customer(1, email="nobody"))
    assert (tmp_path / "customers.csv.rejects.csv").exists()
    bring(customer(1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["customers.csv"]
    theirs = tmp_path / "customers.csv.rejects.csv"
    theirs.write_text("my own notes\n")
    bring(customer(2))
    assert theirs.read_text() == "my own notes\n"


def test_rejects_go_to_the_data_folder_when_the_folder_of_the_file_is_closed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    path = write_csv(closed / "c.csv", CUSTOMER_HEADER, [customer(1, email="nobody")])
    import os

    real = os.open

    def refuse(name: Any, *more: Any, **others: Any) -> int:
        if Path(name).parent == closed:
            raise PermissionError(13, "closed")
        return real(name, *more, **others)

    # The suite may run as root, whom no mode keeps out.
    monkeypatch.setattr(os, "open", refuse)
    result = import_file(store, DEFINITIONS, CUSTOMERS, path, data_dir=tmp_path / "data")
    assert result.rejects_moved
    assert result.rejects_path == tmp_path / "data" / "rejects" / "c.csv.rejects.csv"
    assert result.rejects_path.exists()
    nowhere = import_file(store, DEFINITIONS, CUSTOMERS, path, again=True)
    assert (nowhere.rejected, nowhere.rejects_path) == (1, None)


def test_consent_comes_only_where_the_row_says_so_and_once(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    result = bring(*[customer(number) for number in range(10)])
    assert result.details["consents"] == 5
    result = bring(*[customer(number, news="yes") for number in range(10)], name="later.csv")
    assert result.details["consents"] == 5
    with store.read() as connection:
        rows = connection.execute(sa.select(people.consents)).mappings().all()
    assert len(rows) == 10
    assert {(row["channel"], row["purpose"], row["state"], row["basis"], row["source"]) for row in rows} == {
        ("email", "marketing", "granted", "opt-in in the shop", "import customers")
    }


def test_no_file_gives_back_what_a_customer_withdrew(
    store: Store, bring: Callable[..., ImportResult], clock: FixedClock
) -> None:
    bring(*[customer(number, news="1") for number in range(4)])
    now = to_micros(clock.now())
    with store.durable("test") as connection:
        ids = dict(connection.execute(sa.select(people.customers.c.key, people.customers.c.id)).all())
        record(
            connection,
            [
                ConsentRow(ids["C1"], "email", "marketing", "withdrawn", "link", "test", now, now),
                ConsentRow(ids["C2"], "email", "all", "withdrawn", "link", "test", now, now),
                ConsentRow(ids["C3"], "email", "marketing", "pending", "form", "test", now, now),
            ],
        )
    clock.advance(timedelta(days=30))
    result = bring(*[customer(number, news="1", orders="99") for number in range(4)], name="later.csv")
    assert result.updated == 4
    assert result.details == {"withdrawals_kept": 2, "pending_kept": 1}
    assert [(one.channel, one.purpose, one.reachable, one.refused) for one in result.reach] == [
        ("email", "marketing", 1, {"unsubscribed_list": 1, "unsubscribed_all": 1, "consent_unconfirmed": 1}),
        ("sms", "marketing", 0, {"no_consent": 4}),
    ]


def test_the_end_says_who_may_be_written_to_and_what_is_missing(bring: Callable[..., ImportResult]) -> None:
    rows = [customer(number, phone="") for number in range(10)]
    rows[3] = customer(3, email="", phone="", news="1")
    result = bring(*rows)
    assert [one.as_json() for one in result.reach] == [
        {
            "channel": "email",
            "purpose": "marketing",
            "reachable": 4,
            "refused": {"no_address": 1, "no_consent": 5},
        }
    ]
    assert result.missing_columns == ()
    bare = replace(CUSTOMERS, fields=CUSTOMERS.fields[1:], consents=())
    assert bring(*rows, mapping=replace(bare, consents=CUSTOMERS.consents)).missing_columns == ("email",)
    json = result.as_json()
    assert json["created"] == 10
    assert set(json) >= {
        "rows",
        "created",
        "updated",
        "unchanged",
        "events",
        "skipped",
        "rejected",
        "rejects_file",
        "reach",
    }


def test_history_is_kept_of_attributes_that_a_segment_uses(
    store: Store, bring: Callable[..., ImportResult], clock: FixedClock
) -> None:
    segment = Segment(
        "gold",
        "Gold",
        "segments/gold.yaml",
        where=(AttributeCondition("member_level", Is("gold")), AttributeCondition("interests", Known())),
    )
    definitions = replace(DEFINITIONS, segments={"gold": segment})
    start = to_micros(clock.now())
    bring(customer(1, level="basic", likes="roses"), definitions=definitions)
    clock.advance(timedelta(days=1))
    bring(customer(1, level="silver", likes="", name="Other"), name="b.csv", definitions=definitions)
    clock.advance(timedelta(days=1))
    bring(customer(1, level="gold", likes="trees"), name="c.csv", definitions=definitions)
    day = 86_400_000_000
    with store.read() as connection:
        changes = people.attribute_changes
        rows = connection.execute(
            sa.select(changes.c.attribute, changes.c.value, changes.c.changed_at).order_by(changes.c.id)
        ).all()
    assert sorted((name, (at - start) // day, value) for name, value, at in rows) == [
        ("interests", 0, '["roses"]'),
        ("interests", 2, '["trees"]'),
        ("member_level", 0, "basic"),
        ("member_level", 1, "silver"),
        ("member_level", 2, "gold"),
    ]


def test_numbers_are_read_in_the_country_of_their_row(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    bring(
        customer(1),
        customer(2, country="tw", phone="0912 345 678"),
        customer(3, country="", phone="0701740605"),
    )
    assert [one(store, f"C{number}")["phone"] for number in (1, 2, 3)] == [
        "+46701740001",
        "+886912345678",
        "+46701740605",
    ]
    assert one(store, "C2")["country"] == "TW"


def test_rows_are_skipped_as_the_mapping_says(bring: Callable[..., ImportResult]) -> None:
    mapping = replace(CUSTOMERS, skip=(RowTest((("level", Is("basic")),)), RowTest((("id", Is("C1")),))))
    result = bring(*[customer(number) for number in range(6)], mapping=mapping)
    assert (result.rows, result.skipped, result.created) == (6, 3, 3)


def test_a_file_without_the_columns_is_refused_and_leaves_no_trace(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    with pytest.raises(TidingsError, match='"email".*"level"'):
        bring(
            ("1",),
            header=("id", "phone", "country", "name", "born", "likes", "value", "orders", "vip", "news"),
        )
    with store.read() as connection:
        assert connection.execute(sa.select(people.imports)).all() == []


def test_a_changed_mapping_reads_the_same_file_anew(store: Store, bring: Callable[..., ImportResult]) -> None:
    bring(customer(1, value="12.50"))
    fields = tuple(
        (name, Column("value", times=2) if name == "lifetime_value" else column)
        for name, column in CUSTOMERS.fields
    )
    result = bring(customer(1, value="12.50"), mapping=replace(CUSTOMERS, fields=fields))
    assert (result.already, result.updated) == (False, 1)
    assert one(store, "C1")["lifetime_value"] == 2500


def test_every_customer_has_a_row_of_attributes_and_one_import_in_the_trail(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    from tidings.store.audit import verify

    bring(*[customer(number) for number in range(5)])
    with store.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(ATTRIBUTES)).scalar_one() == 5
        assert verify(connection) == 1


def test_a_transaction_takes_a_thousand_rows_at_most_and_the_lock_is_short(
    make_store: Callable[..., Store], tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "c.csv", CUSTOMER_HEADER, [customer(number) for number in range(4500)])
    store = make_store("sqlite")
    import_file(store, DEFINITIONS, CUSTOMERS, path)
    use = {one.purpose: one for one in store.lock_report()}["import"]
    assert use.count >= 5
    assert use.longest_busy_ms < 200


def test_a_broken_line_keeps_what_was_stored_and_the_repaired_file_adds_the_rest(
    store: Store, tmp_path: Path
) -> None:
    rows = [customer(number) for number in range(2500)]
    path = write_csv(tmp_path / "c.csv", CUSTOMER_HEADER, rows)
    good = path.read_bytes()
    path.write_bytes(good.replace("Åsa 2400".encode(), b"\xc5sa 2400"))
    with pytest.raises(TidingsError, match="line 2402: the text is not UTF-8"):
        import_file(store, DEFINITIONS, CUSTOMERS, path)
    with store.read() as connection:
        state, done = connection.execute(sa.select(people.imports.c.state, people.imports.c.rows_done)).one()
    assert state == "interrupted"
    assert 1000 <= done <= 2400
    path.write_bytes(good)
    result = import_file(store, DEFINITIONS, CUSTOMERS, path)
    assert (result.created, result.unchanged) == (2500 - done, done)


def test_an_account_brings_the_number_that_draws_it_and_moves_with_it(
    store: Store, bring: Callable[..., ImportResult]
) -> None:
    mapping = replace(CUSTOMERS, fields=(*CUSTOMERS.fields, ("account", Column("company"))))
    header = (*CUSTOMER_HEADER, "company")
    draw = Drawer("salt")
    bring((*customer(1), "Oak Ltd"), (*customer(2), ""), header=header, mapping=mapping)
    assert (one(store, "C1")["account"], one(store, "C1")["account_u"]) == (
        "Oak Ltd",
        draw.account_u("Oak Ltd"),
    )
    assert (one(store, "C2")["account"], one(store, "C2")["account_u"]) == (None, None)
    bring((*customer(1), "Elm Ltd"), (*customer(2), ""), name="2.csv", header=header, mapping=mapping)
    assert one(store, "C1")["account_u"] == draw.account_u("Elm Ltd") != draw.u("Elm Ltd")
