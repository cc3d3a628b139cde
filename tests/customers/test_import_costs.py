"""Costs of ads: the sum that is stored is the sum of the file, whatever the export looks like and however often it comes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support import import_process
from support.cost_files import (
    BARE,
    HEADER,
    PLAIN,
    PLAIN_HEADER,
    TITLES,
    YANDEX,
    plain_file,
    with_campaigns,
    written,
    yandex_file,
    yandex_row,
)
from support.forked import Forked
from tidings.customers import cost_rows
from tidings.customers.importing import import_file
from tidings.definitions.kinds.figures import Vat
from tidings.definitions.kinds.importing import Column, Layout, RowTest
from tidings.definitions.values import Is
from tidings.errors import TidingsError
from tidings.store.database import Store
from tidings.store.tables import money, people

MARCH = [
    yandex_row("02.03.2027", "весна_сад_поиск", 4120, 96, "183,00"),
    yandex_row("02.03.2027", "бренд", 310, 22, "24,40"),
    yandex_row("03.03.2027", "весна_сад_рся", 19300, 88, "1\xa0037,00"),
    yandex_row("03.03.2027", "инструменты", 2380, 54, "109,81"),
]


def costs(store: Store) -> list[Any]:
    table = money.costs
    with store.read() as connection:
        return list(connection.execute(sa.select(table).order_by(table.c.day, table.c.source, table.c.line)))


def total(store: Store) -> int:
    return sum(row.amount for row in costs(store))


def net(gross: Decimal) -> int:
    return int((gross * 100 / Decimal("1.22")).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def test_an_export_of_yandex_is_read_as_its_definition_says(store: Store, tmp_path: Path) -> None:
    definitions = with_campaigns(tmp_path / "shop")
    result = import_file(store, definitions, YANDEX, yandex_file(tmp_path / "march.csv", MARCH))
    assert [tuple(row)[2:-2] for row in costs(store)] == [
        (
            "2027-03-02",
            "yandex_direct",
            "search",
            "весна_сад_поиск",
            "spring_winback",
            15000,
            "RUB",
            96,
            4120,
        ),
        ("2027-03-02", "yandex_direct", "search", "бренд", None, 2000, "RUB", 22, 310),
        ("2027-03-03", "yandex_direct", "search", "весна_сад_рся", "spring_winback", 85000, "RUB", 88, 19300),
        ("2027-03-03", "yandex_direct", "search", "инструменты", None, 9001, "RUB", 54, 2380),
    ]
    assert [row.line for row in costs(store)] == [5, 6, 7, 8], "the lines of the file, its titles counted"
    answer = result.costs
    assert answer is not None
    assert (result.rows, answer.rows, answer.net, answer.gross) == (4, 4, 111001, 135421)
    assert (answer.days, answer.days_replaced, answer.change) == (2, 0, 0)
    assert (answer.labels, answer.unmatched_net) == (2, 11001)
    assert answer.unmatched == (("инструменты", 9001), ("бренд", 2000))
    assert "Windows-1251" in result.read_as


def test_the_same_file_again_changes_nothing_and_says_what_it_did_then(store: Store, tmp_path: Path) -> None:
    definitions = with_campaigns(tmp_path / "shop")
    file = yandex_file(tmp_path / "march.csv", MARCH)
    first = import_file(store, definitions, YANDEX, file)
    before = costs(store)
    again = import_file(store, definitions, YANDEX, file)
    assert again.already
    assert again.costs == first.costs
    assert costs(store) == before
    forced = import_file(store, definitions, YANDEX, file, again=True)
    assert forced.costs is not None
    assert (forced.costs.days_replaced, forced.costs.change, forced.costs.net) == (2, 0, 111001)
    assert total(store) == 111001


def test_an_export_that_comes_again_corrects_its_days_and_no_others(store: Store, tmp_path: Path) -> None:
    import_file(store, BARE, YANDEX, yandex_file(tmp_path / "first.csv", MARCH))
    other = [("2027-03-03", "metro", "print", "poster", "", "50.00")]
    import_file(store, BARE, PLAIN, plain_file(tmp_path / "other.csv", PLAIN_HEADER, other))
    later = [
        yandex_row("03.03.2027", "весна_сад_рся", 19400, 89, "1\xa0220,00"),
        yandex_row("04.03.2027", "бренд", 10, 1, "12,20"),
    ]
    result = import_file(store, BARE, YANDEX, yandex_file(tmp_path / "second.csv", later))
    assert result.costs is not None
    assert (result.costs.days, result.costs.days_replaced) == (2, 1)
    assert (result.costs.before, result.costs.after, result.costs.change) == ({"RUB": 94001}, 100000, 5999)
    assert total(store) == 17000 + 100000 + 1000 + 5000, "the day before and the other source stay"


def test_a_refund_may_make_a_day_cost_less_than_nothing(store: Store, tmp_path: Path) -> None:
    rows = [("2027-03-03", "metro", "print", "", "", "-50.00")]
    import_file(store, BARE, PLAIN, plain_file(tmp_path / "a.csv", PLAIN_HEADER, rows))
    rows = [("2027-03-03", "metro", "print", "", "", "-20.00")]
    result = import_file(store, BARE, PLAIN, plain_file(tmp_path / "b.csv", PLAIN_HEADER, rows))
    assert result.costs is not None
    assert (result.costs.before, result.costs.after, result.costs.change) == ({"EUR": -5000}, -2000, 3000)
    assert result.costs.unmatched == (("", -2000),)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("1\xa0354,22", r"says 1,354.22 in Расход, but the other rows add up to 1,354.21"),
        ("", "says nothing in Расход"),
    ],
)
def test_sums_that_differ_are_both_told_and_nothing_is_imported(
    store: Store, tmp_path: Path, wrong: str, said: str
) -> None:
    file = yandex_file(tmp_path / "march.csv", MARCH, wrong)
    with pytest.raises(TidingsError, match=said) as told:
        import_file(store, BARE, YANDEX, file)
    assert "march.csv, line 9" in told.value.message
    assert told.value.what_to_do.startswith("Nothing was imported")
    assert costs(store) == []
    # The repaired file is imported as if nothing had been.
    import_file(store, BARE, YANDEX, yandex_file(file, MARCH))
    assert total(store) == 111001


def test_a_file_without_its_row_of_sums_is_taken_for_cut_off(store: Store, tmp_path: Path) -> None:
    lines = [*TITLES, ";".join(HEADER), *(";".join(row) for row in MARCH)]
    (tmp_path / "march.csv").write_bytes("\n".join(lines).encode("cp1251"))
    with pytest.raises(TidingsError, match="may be cut off"):
        import_file(store, BARE, YANDEX, tmp_path / "march.csv")
    assert costs(store) == []


def test_sums_of_clicks_are_checked_where_the_file_has_them(store: Store, tmp_path: Path) -> None:
    file = yandex_file(tmp_path / "march.csv", MARCH)
    text = file.read_bytes().decode("cp1251")
    file.write_bytes(text.replace("за период;;;", "за период;26110;261;").encode("cp1251"))
    with pytest.raises(TidingsError, match="says 261 in Клики, but the other rows add up to 260"):
        import_file(store, BARE, YANDEX, file)
    file.write_bytes(text.replace("за период;;;", "за период;26110;260;").encode("cp1251"))
    assert import_file(store, BARE, YANDEX, file).rejected == 0


def test_a_row_that_cannot_be_read_keeps_a_file_with_sums_out_and_says_why(
    store: Store, tmp_path: Path
) -> None:
    rows = [*MARCH, yandex_row("31.02.2027", "бренд", 1, 1, "12,20")]
    with pytest.raises(TidingsError, match="1 rows cannot be read"):
        import_file(store, BARE, YANDEX, yandex_file(tmp_path / "march.csv", rows))
    told = (tmp_path / "march.csv.rejects.csv").read_text()
    assert "31.02.2027" in told
    assert told.splitlines()[1].startswith("9,")
    assert costs(store) == []
    rows[-1] = yandex_row("28.02.2027", "бренд", 1, 1, "12.20")
    with pytest.raises(
        TidingsError, match=r"1 row could not be read \(line 9: \"12.20\" is not a number written 1 234,56"
    ):
        import_file(
            store, BARE, YANDEX, yandex_file(tmp_path / "march.csv", rows, written(Decimal("1366.41")))
        )


def test_rows_that_the_mapping_skips_may_be_in_the_sum_or_not(store: Store, tmp_path: Path) -> None:
    mapping = replace(YANDEX, skip=(RowTest((("Кампания", Is("тест")),)),))
    rows = [*MARCH, yandex_row("03.03.2027", "тест", 1, 1, "100,00")]
    assert import_file(store, BARE, mapping, yandex_file(tmp_path / "with.csv", rows)).skipped == 1
    import_file(
        store, BARE, mapping, yandex_file(tmp_path / "without.csv", rows, written(Decimal("1354.21")))
    )
    assert total(store) == 111001
    with pytest.raises(TidingsError, match=r"\(and those that the mapping skips to 100\)"):
        import_file(store, BARE, mapping, yandex_file(tmp_path / "other.csv", rows, "1,00"))


def test_rejected_rows_that_were_repaired_stand_beside_the_others_of_their_day(
    store: Store, tmp_path: Path
) -> None:
    rows = [
        ("2027-03-02", "ads", "search", "a", "1", "10.00"),
        ("2027-03-02", "ads", "search", "b", "1", "ten"),
    ]
    result = import_file(store, BARE, PLAIN, plain_file(tmp_path / "a.csv", PLAIN_HEADER, rows))
    assert (result.rejected, total(store)) == (1, 1000)
    rejects = tmp_path / "a.csv.rejects.csv"
    rejects.write_text(rejects.read_text().replace(",ten", ",7.50"))
    import_file(store, BARE, PLAIN, rejects)
    assert total(store) == 1750
    import_file(store, BARE, PLAIN, rejects, again=True)
    assert total(store) == 1750


def test_a_label_means_what_it_is_as_a_whole_then_the_longest_that_it_begins_with(
    store: Store, tmp_path: Path
) -> None:
    definitions = with_campaigns(tmp_path / "shop")
    names = sorted(definitions.campaigns)
    first, second = names[:2]
    column = Column(
        "campaign",
        values=(("sale_x", first),),
        starts=(("sale", second), ("sale_", first), ("none", "nowhere")),
    )
    rows = [
        ("2027-03-02", "ads", "search", label, "", "1.00")
        for label in ("sale_x", "sale_y", "sales", "none", first, "Sale")
    ]
    import_file(
        store,
        definitions,
        replace(PLAIN, campaign=column),
        plain_file(tmp_path / "a.csv", PLAIN_HEADER, rows),
    )
    assert [row.campaign for row in costs(store)] == [first, first, second, None, first, None]


def test_titles_above_the_header_of_a_workbook_are_passed_over(store: Store, tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    page = book.active
    assert page is not None
    for row in (
        *([title] for title in TITLES),
        HEADER,
        ("02.03.2027", "бренд", 5, 1, "12,20"),
        (None, "Итого", 5, 1, "12,20"),
    ):
        page.append(list(row))
    book.save(tmp_path / "march.xlsx")
    import_file(store, BARE, YANDEX, tmp_path / "march.xlsx")
    assert [(row.day, row.amount, row.line) for row in costs(store)] == [("2027-03-02", 1000, 5)]


def test_a_header_beyond_the_end_is_said(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a title\n")
    with pytest.raises(TidingsError, match=r"line 4 of a.csv names no columns"):
        import_file(store, BARE, YANDEX, tmp_path / "a.csv")


def test_an_empty_file_is_called_empty_wherever_its_header_should_stand(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"")
    with pytest.raises(TidingsError, match=r"a.csv is empty"):
        import_file(store, BARE, YANDEX, tmp_path / "a.csv")


AMOUNTS = st.lists(
    st.tuples(
        st.integers(1, 5),
        st.sampled_from(("a", "b", "весна")),
        st.decimals(-1000, 100000, places=2, allow_nan=False, allow_infinity=False),
    ),
    max_size=30,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=AMOUNTS, second=AMOUNTS, batch=st.integers(1, 40))
def test_what_is_stored_adds_up_to_what_the_files_say(
    store: Store, tmp_path: Path, first: Any, second: Any, batch: int
) -> None:
    with store.durable("empty") as connection:
        connection.execute(sa.delete(money.costs))
        connection.execute(sa.delete(people.imports))
    held: dict[str, list[int]] = {}
    size, cost_rows.BATCH_ROWS = cost_rows.BATCH_ROWS, batch
    try:
        for name, rows in (("first", first), ("second", second)):
            days: dict[str, list[int]] = {}
            for day, _, gross in rows:
                days.setdefault(f"2027-03-{day:02d}", []).append(net(gross))
            file = yandex_file(
                tmp_path / f"{name}.csv",
                [yandex_row(f"{day:02d}.03.2027", label, 1, 1, written(gross)) for day, label, gross in rows],
            )
            result = import_file(store, BARE, YANDEX, file, again=True)
            assert result.costs is not None
            replaced = held.keys() & days.keys()
            assert result.costs.days_replaced == len(replaced)
            before = sum(sum(held[day]) for day in replaced)
            assert result.costs.change == sum(sum(days[day]) for day in replaced) - before
            held |= days
            assert total(store) == sum(sum(amounts) for amounts in held.values())
            assert result.costs.net == sum(sum(amounts) for amounts in days.values())
    finally:
        cost_rows.BATCH_ROWS = size


def many(path: Path) -> Path:
    draw = random.Random(4)
    rows = [
        (
            f"2027-{1 + n % 12:02d}-{1 + n % 28:02d}",
            f"s{n % 3}",
            "search",
            f"c{n % 7}",
            "1",
            f"{draw.randrange(9999) / 100}",
        )
        for n in range(30_000)
    ]
    return plain_file(path, PLAIN_HEADER, rows)


def test_killed_in_the_middle_every_day_is_whole_and_the_next_import_ends_it(
    store: Store, make_store: Callable[..., Store], tmp_path: Path
) -> None:
    file = many(tmp_path / "ads.csv")
    other = make_store(store.dialect)
    undisturbed = import_file(other, BARE, PLAIN, file)
    old = [
        (f"2027-{1 + n % 12:02d}-{1 + n % 28:02d}", f"s{n % 3}", "search", "old", "1", "1.00")
        for n in range(400)
    ]
    import_file(store, BARE, PLAIN, plain_file(tmp_path / "old.csv", PLAIN_HEADER, old))
    process = Forked(import_process.main, store.url, "PLAIN", str(file))
    assert process.stdout.readline().strip() not in ("", "done")
    process.kill()
    process.communicate(30)
    whole = {(row.day, row.source): 0 for row in costs(other)}
    for row in costs(other):
        whole[row.day, row.source] += row.amount
    now: dict[tuple[str, str], set[str | None]] = {}
    for row in costs(store):
        now.setdefault((row.day, row.source), set()).add(row.label)
    assert all("old" not in labels or labels == {"old"} for labels in now.values()), "no day is half replaced"
    result = import_file(store, BARE, PLAIN, file)
    assert result.resumed_from
    told = {(row.day, row.source): 0 for row in costs(store)}
    for row in costs(store):
        told[row.day, row.source] += row.amount
    assert told == whole
    assert result.costs is not None
    assert undisturbed.costs is not None
    assert result.costs.net == undisturbed.costs.net
    assert result.costs.days_replaced == len({row[:2] for row in old})


def test_replacing_a_month_holds_the_write_lock_for_a_moment_only(
    make_store: Callable[..., Store], tmp_path: Path
) -> None:
    store = make_store("sqlite")
    file = many(tmp_path / "ads.csv")
    import_file(store, BARE, PLAIN, file)
    import_file(store, BARE, PLAIN, file, again=True)
    held = {one.purpose: one.longest_busy_ms for one in store.lock_report()}
    assert held["import"] < 200


def test_a_file_without_tax_is_kept_as_it_is(store: Store, tmp_path: Path) -> None:
    mapping = replace(YANDEX, amount=replace(YANDEX.amount, vat=Vat()), layout=Layout(header=4))
    lines = [*TITLES, ";".join(HEADER), ";".join(MARCH[0])]
    (tmp_path / "a.csv").write_bytes("\n".join(lines).encode("cp1251"))
    result = import_file(store, BARE, mapping, tmp_path / "a.csv")
    assert result.costs is not None
    assert (result.costs.net, result.costs.gross) == (18300, 18300)
