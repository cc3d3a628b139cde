"""Files in the encodings that our users have, workbooks, and mappings guessed from them."""

from __future__ import annotations

import gzip
import random
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from support.command_line import new_shop
from support.shop import copy_workspace
from tidings.customers.cells import CellError, decimal_of
from tidings.customers.encodings import encoding_of
from tidings.customers.guessing import date_format, guess
from tidings.customers.reading import open_rows
from tidings.customers.sheets import written
from tidings.definitions.loader import load
from tidings.errors import TidingsError, UsageError

TEXTS = {
    "gb18030": "客户编号,姓名,城市\n1,王小明,北京\n2,李芳,上海\n3,张伟,广州市天河区\n",
    "big5": "客戶編號,姓名,城市\n1,王小明,台北\n2,李芳,高雄\n3,張偉,台中市西屯區\n",
    "cp1251": "Номер,Имя,Город\n1,Анна Иванова,Москва\n2,Пётр Сергеев,Казань\n",
    "koi8_r": "Номер,Имя,Город\n1,Анна Иванова,Москва\n2,Пётр Сергеев,Казань\n",
    "cp1252": "id,namn,ort\n1,Åsa Öberg,Malmö\n2,José Muñoz,Málaga\n3,Jürgen Groß,Köln\n",
    "utf-16": "id,имя\n1,Анна\n",
    "utf-16-le": "id,имя\n" + "1,Anna Ivanova from Kazan\n" * 30,
    "utf-16-be": "id,имя\n" + "1,Anna Ivanova from Kazan\n" * 30,
    "utf-8-sig": "id,名前\n1,王\n",
}


def read(path: Path, **more: Any) -> tuple[list[str], list[list[str]], str]:
    with open_rows(path, **more) as table:
        return list(table.header), [cells for _, cells in table], table.read_as


@pytest.mark.parametrize("codec", TEXTS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_text_is_read_in_its_encoding_and_says_which(tmp_path: Path, codec: str, packed: bool) -> None:
    text = TEXTS[codec]
    path = tmp_path / "f.csv"
    path.write_bytes(gzip.compress(text.encode(codec)) if packed else text.encode(codec))
    header, rows, read_as = read(path)
    expected = [line.split(",") for line in text.strip().split("\n")]
    assert [header, *rows] == expected
    assert read_as.endswith("guessed") == (
        codec in ("gb18030", "big5", "cp1251", "koi8_r", "cp1252", "utf-16-le", "utf-16-be")
    )


@pytest.mark.parametrize("codec", ["gb18030", "big5", "cp1251", "cp1252"])
def test_the_foreign_line_may_come_late(tmp_path: Path, codec: str) -> None:
    lines = TEXTS[codec].strip().split("\n")[1:]
    path = tmp_path / "f.csv"
    path.write_bytes(("id,name,city\n" + "9,Anna,Paris\n" * 20_000 + "\n".join(lines)).encode(codec))
    assert read(path)[1][-len(lines) :] == [line.split(",") for line in lines]


def test_damaged_utf8_is_not_taken_for_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes("id,name\n1,Åsa\n2,Öst\n".encode() + b"3,\xc5sa\n")
    with pytest.raises(TidingsError, match="line 4: the text is not UTF-8"):
        read(path)


def test_what_is_said_wins_and_a_wrong_word_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes("id,imię\n1,Łukasz\n".encode("cp1250"))
    assert read(path, encoding="cp1250")[1] == [["1", "Łukasz"]]
    assert encoding_of(path, "cp1250").how == "said"
    with pytest.raises(UsageError, match='"klingon" is no encoding'):
        read(path, encoding="klingon")
    with pytest.raises(TidingsError, match="not UTF-16"):
        read(
            path.with_name("g.csv") if path.with_name("g.csv").write_bytes(b"a,b\n1") else path,
            encoding="utf-16-le",
        )


def book(tmp_path: Path, *rows: tuple[Any, ...], name: str = "f.xlsx", title: str = "Kunden") -> Path:
    workbook = Workbook()
    page = workbook.active
    assert page is not None
    page.title = title
    for row in rows:
        page.append(row)
    hidden = workbook.create_sheet("Old")
    hidden.append(("x",))
    hidden.append((1,))
    path = tmp_path / name
    workbook.save(path)
    return path


def test_a_workbook_reads_like_the_csv_of_its_first_sheet(tmp_path: Path) -> None:
    path = book(
        tmp_path,
        ("id", "name", "phone", "born", "vip", "total", None),
        (1, "王小明", 46701112233, date(1980, 2, 29), True, 12.5),
        (None, None),
        (2, "Анна", "+46 70 1", datetime(1990, 1, 2, 9, 30), False, 10.0),
    )
    header, rows, read_as = read(path, formats={})
    assert header == ["id", "name", "phone", "born", "vip", "total"]
    assert rows == [
        ["1", "王小明", "46701112233", "1980-02-29", "yes", "12.5"],
        ["2", "Анна", "+46 70 1", "1990-01-02 09:30:00", "no", "10"],
    ]
    assert read_as == 'sheet "Kunden"'
    assert read(path, formats={"born": "DD.MM.YYYY"})[1][0][3] == "29.02.1980"
    assert read(path, sheet="Old")[1] == [["1"]]
    with pytest.raises(UsageError, match="its sheets are|no sheet") as caught:
        read(path, sheet="Missing")
    assert "Kunden" in caught.value.what_to_do


def test_a_workbook_is_known_by_what_it_is_not_by_its_name(tmp_path: Path) -> None:
    path = book(tmp_path, ("id",), (7,), name="export.csv")
    assert read(path)[1] == [["7"]]


def test_a_broken_workbook_and_a_bomb_are_refused_in_words(tmp_path: Path) -> None:
    whole = book(tmp_path, ("id",), (7,)).read_bytes()
    cut = tmp_path / "cut.xlsx"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TidingsError, match="damaged"):
        read(cut)
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"<a/>")
        archive.writestr("xl/sharedStrings.xml", b"0" * (100 << 20))
    with pytest.raises(TidingsError, match="unpacks to"):
        read(bomb)


@pytest.mark.parametrize(
    "said", ["base64", "rot13", "hex", "zlib", "uu", "undefined", "punycode", "idna", "klingon", ""]
)
def test_a_codec_that_is_no_encoding_of_text_is_refused_in_words(tmp_path: Path, said: str) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(b"id,name\n1,a\n")
    with pytest.raises(UsageError, match="is no encoding"):
        read(path, encoding=said)


def test_damaged_workbooks_of_any_kind_are_refused_in_words(tmp_path: Path) -> None:
    chance = random.Random(1)
    whole = book(
        tmp_path, ("id", "email", "born"), *((f"K{n}", f"a{n}@example.com", n * 1.5) for n in range(20))
    )
    with zipfile.ZipFile(whole) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    refused = 0
    for name in sorted(parts):
        for how in range(6):
            content = bytearray(parts[name])
            at = chance.randrange(len(content))
            if how % 3 == 0:
                del content[at:]
            elif how % 3 == 1:
                content[at : at + 3] = b"<&\0"
            else:
                del content[at : at + 12]
            with zipfile.ZipFile(tmp_path / "f2.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
                for other, good in parts.items():
                    archive.writestr(other, bytes(content) if other == name else good)
            try:
                read(tmp_path / "f2.xlsx")
            except TidingsError as error:
                refused += "\n" not in error.message
    assert refused > 10


def test_days_are_written_in_the_form_of_the_mapping() -> None:
    at = datetime(2027, 3, 2, 9, 5, 7)
    assert written(at, "DD.MM.YYYY HH:MM") == "02.03.2027 09:05"
    assert written(at, "MM/DD/YYYY") == "03/02/2027"
    assert written(at, "YYYY-MM-DDTHH:MM:SS") == "2027-03-02T09:05:07"


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["02.03.2027", "31.12.2026"], ("DD.MM.YYYY", False)),
        (["02/03/2027", "12/11/2026"], ("DD/MM/YYYY", True)),
        (["02/13/2027"], ("MM/DD/YYYY", False)),
        (["2027年3月2日"], ("YYYY年MM月DD日", False)),
        (["2027-03-02 09:30:00", "2027-03-02 09:31:00"], ("YYYY-MM-DD HH:MM:SS", False)),
        (["next week"], None),
    ],
)
def test_the_form_of_days_is_found_and_a_doubt_is_named(texts: list[str], found: object) -> None:
    assert date_format(texts) == found


RUSSIAN = "Номер клиента;ФИО;Эл. почта;Телефон;День рождения;Подписка;Любимый цвет\n" + "".join(
    f"K{number};Анна {number};anna{number}@example.ru;+7 916 123 45 {number:02d};{number % 28 + 1:02d}.03.1980;"
    f"{'да' if number % 2 else 'нет'};синий\n"
    for number in range(50)
)


def test_a_guess_reads_a_russian_export_as_a_marketer_would(tmp_path: Path) -> None:
    shop = copy_workspace(tmp_path / "shop")
    path = tmp_path / "клиенты.csv"
    path.write_bytes(RUSSIAN.encode("cp1251"))
    definitions = load(shop)
    found = guess(path, definitions.attributes, definitions.events)
    assert (found.kind, found.key, found.read_as) == (
        "customers",
        "Номер клиента",
        "Windows-1251 (Cyrillic), guessed",
    )
    assert {one.column: one.target for one in found.columns if one.target} == {
        "ФИО": "full_name", "Эл. почта": "email", "Телефон": "phone", "День рождения": "birthday",
    }  # fmt: skip
    birthday = found.target("birthday")
    assert birthday is not None and birthday.how == {"format": "DD.MM.YYYY"}
    assert (found.consent, found.consent_yes) == ("Подписка", ("да",))


def test_a_guessed_mapping_is_written_checked_and_imports_every_row(tmp_path: Path) -> None:
    shop = new_shop(tmp_path / "shop")
    path = tmp_path / "customers_ru.csv"
    path.write_bytes(RUSSIAN.encode("cp1251"))
    said = shop.ok("import", str(path), "--guess", "--yes").out
    assert "wrote config/imports/customers_ru.yaml" in said
    assert "# not read: Любимый цвет (синий)" in said
    shop.ok("check")
    imported = shop.ok("import", str(path), "--as", "customers_ru").out
    assert "50  rows in the file (Windows-1251 (Cyrillic), guessed)" in imported
    again = shop.run("import", str(path), "--guess", "--yes")
    assert again.code == 2 and "there already" in again.err


def test_orders_in_a_workbook_become_a_mapping_of_events(tmp_path: Path) -> None:
    shop = new_shop(tmp_path / "shop")
    rows: list[tuple[Any, ...]] = [("Order No", "Customer ID", "Order Date", "Total", "Category")]
    rows += [
        (f"A{n}", f"C{n % 7}", datetime(2027, 1, n % 28 + 1, 10, n), 10.5 + n, "garden") for n in range(40)
    ]
    path = book(tmp_path, *rows, name="orders_2027.xlsx", title="Orders")
    said = shop.ok("import", str(path), "--guess", "--yes", "--as", "orders_xlsx").out
    assert "kind: events" in said and "ids: [Order No]" in said
    imported = shop.ok("import", str(path), "--as", "orders_xlsx").out
    assert "40  events new" in imported and 'sheet "Orders"' in imported


CHINESE = "客戶編號,姓名,電郵,手機,生日,會員等級,最後訂購日,同意行銷,公司名稱,消費總額\n" + "".join(
    f'T{n},王小明{n},wang{n}@example.tw,0912-345-{n:03d},1960年{n % 12 + 1}月1日,gold,2027年1月{n % 28 + 1}日,是,,"NT$1,{n:03d}"\n'
    for n in range(60)
)


def test_a_chinese_export_is_guessed_whole_and_the_mapping_is_one_that_tidings_takes(tmp_path: Path) -> None:
    shop = new_shop(tmp_path / "shop")
    path = tmp_path / "taiwan.csv"
    path.write_bytes(CHINESE.encode("big5"))
    said = shop.ok("import", str(path), "--guess", "-y").out
    for line in (
        "customer: 客戶編號",
        "full_name: 姓名",
        "birthday: {column: 生日, format: YYYY年MM月DD日}",
        "member_level: 會員等級",
        "last_order_at: {column: 最後訂購日, format: YYYY年MM月DD日}",
        '    when: {同意行銷: ["是"]}',
    ):
        assert line in said, said
    assert "# not read: 消費總額" in said and "12.50" in said
    imported = shop.run("import", str(path), "--as", "taiwan", "--json").data
    assert (imported["rows"], imported["rejected"]) == (60, 0)
    assert any(one["reachable"] == 60 for one in imported["reach"] if one["channel"] == "email")


def test_a_mapping_that_cannot_be_taken_is_not_left_behind(tmp_path: Path) -> None:
    shop = new_shop(tmp_path / "shop")
    path = tmp_path / "odd.csv"
    path.write_text("id,email\n1,a@b.example\n2,c@d.example\n")
    attributes = shop.root / "config" / "attributes.yaml"
    attributes.write_text(attributes.read_text() + "\nbroken: {type: nothing}\n")
    assert shop.run("import", str(path), "--guess", "-y").code == 1
    assert not (shop.root / "config" / "imports" / "odd.yaml").exists()


def test_a_listed_segment_is_filled_and_emptied_by_import_and_repeating_changes_nothing(
    tmp_path: Path,
) -> None:
    shop = new_shop(tmp_path / "shop")
    (shop.root / "segments" / "fair_leads.yaml").write_text("segment: Leads of the fair\nmembers: listed\n")
    (shop.root / "config" / "imports" / "fair.yaml").write_text(
        "import: Fair\nkind: customers\ncustomer: id\nfields: {email: email}\n"
    )
    path = tmp_path / "fair.csv"
    path.write_text("id,email\n" + "".join(f"F{n},f{n}@example.com\n" for n in range(30)))

    def members() -> int:
        return int(shop.ok("segment", "fair_leads", "--json").data["count"])

    shop.ok("import", str(path), "--as", "fair")
    assert members() == 0
    assert (
        "30  customers put on the list"
        in shop.ok("import", str(path), "--as", "fair", "--into", "fair_leads").out
    )
    assert members() == 30
    shop.ok("import", str(path), "--as", "fair", "--into", "fair_leads", "--again")
    assert members() == 30
    few = tmp_path / "few.csv"
    few.write_text("id,email\nF1,f1@example.com\nF2,f2@example.com\n")
    shop.ok("import", str(few), "--as", "fair", "--out-of", "fair_leads")
    assert members() == 28
    wrong = shop.run("import", str(path), "--as", "fair", "--into", "lapsed_buyers")
    assert wrong.code == 2 and "computes its members" in wrong.err and "fair_leads" in wrong.err


def test_money_with_its_sign_is_told_how_to_be_written(tmp_path: Path) -> None:
    with pytest.raises(CellError, match="write 1000, without currency"):
        decimal_of("NT$1,000")
    with pytest.raises(CellError, match="not a number"):
        decimal_of("many")
