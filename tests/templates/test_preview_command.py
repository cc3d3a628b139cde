"""`tidings preview` in a copy of the starting workspace: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
import sqlalchemy as sa

from tidings.cli.main import execute
from tidings.cli.session import open_session
from tidings.store.tables import people, sending
from tidings.store.vocabulary import attributes_table

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("segments", "campaigns", "templates", "channels", "config")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The starting workspace with three customers."""
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIDINGS_WORKSPACE", raising=False)
    monkeypatch.delenv("TIDINGS_ENVIRONMENT", raising=False)
    with open_session() as session, session.store.durable("test") as connection:
        for key, email, locale in (
            ("C-1", "anna@example.com", "en"),
            ("C/2 ..", "wang@example.com", "zh-TW"),
            ("C-3", None, "ru"),
        ):
            row = {"key": key, "u": 1, "email": email, "locale": locale, "created_at": 0}
            connection.execute(sa.insert(people.customers).values(row))
        first = connection.execute(
            sa.select(people.customers.c.id).where(people.customers.c.key == "C-1")
        ).scalar_one()
        table = attributes_table(session.settings.definitions.attributes)
        connection.execute(sa.insert(table).values(customer_id=first, full_name="Anna <Lind>", vip=True))
        entry = {"customer_id": first, "attribute": "interests", "value": "garden"}
        connection.execute(sa.insert(people.customer_lists).values(entry))
    return tmp_path


def test_a_preview_shows_the_message_and_writes_two_files(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["preview", "spring_winback", "--customer", "C-1", "--variant", "direct"]) == 0
    said = capsys.readouterr().out
    for words in (
        "Subject    25% off, until the 16th",
        "To         anna@example.com",
        "Hello Anna <Lind>,",
        "You told us what you like: garden.",
        "Unknown    last_order_at, member_level (the template does without)",
        "Nothing was sent",
    ):
        assert words in said
    folder = workspace / ".tidings" / "previews"
    assert "Hello Anna &lt;Lind&gt;," in (folder / "spring_winback-C-1.html").read_text()
    message = message_from_bytes((folder / "spring_winback-C-1.eml").read_bytes(), policy=default)
    assert message["Subject"] == "25% off, until the 16th"
    assert message["List-Unsubscribe"].endswith("/u/preview>")


def test_a_message_without_html_is_shown_and_never_run(workspace: Path) -> None:
    folder = workspace / "templates" / "dealer_autumn"
    for file in folder.glob("email.*"):
        file.unlink()
    words = "Subject: Autumn\n\nDear {{ full_name }}, 您好\n{{ unsubscribe_url }}\n{{ postal_address }}\n"
    (folder / "email.en.txt").write_text(words, encoding="utf-8")
    assert execute(["preview", "dealer_autumn", "--customer", "C-1", "--out", "page.html"]) == 0
    page = Path("page.html").read_text(encoding="utf-8")
    assert "Dear Anna &lt;Lind&gt;, 您好" in page and "<Lind>" not in page
    assert "charset='utf-8'" in page and "white-space:pre-wrap" in page


def test_previews_are_read_by_nobody_else(workspace: Path) -> None:
    assert execute(["preview", "spring_winback", "--customer", "C-1"]) == 0
    written = {one.parent for one in (workspace / ".tidings" / "previews").rglob("*.html")}
    assert written and not any(one.stat().st_mode & 0o077 for one in written)


def test_a_preview_stores_and_sends_nothing(workspace: Path) -> None:
    assert execute(["preview", "spring_winback", "--customer", "C-1"]) == 0
    with open_session() as session, session.store.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(sending.messages)).scalar_one() == 0
    assert not (workspace / ".tidings" / "outbox").exists()


def test_the_customers_locale_decides_and_can_be_overridden(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["preview", "spring_winback", "--customer", "C/2 ..", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["locale"], facts["subject"]) == ("zh-TW", "您的最愛，我們都留著")
    assert sorted(facts["fell_back"]) == ["full_name", "last_order_at", "member_level", "vip"]
    names = {one.name for one in (workspace / ".tidings" / "previews").iterdir() if one.is_file()}
    assert names == {"spring_winback-C_2.html", "spring_winback-C_2.eml"}
    assert execute(["preview", "spring_winback", "--customer", "C/2 ..", "--locale", "ru", "--text"]) == 0
    assert capsys.readouterr().out.startswith("Здравствуйте!")


def test_a_customer_without_an_address_is_previewed_and_said_to_be_refused(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["preview", "spring_winback", "--customer", "C-3"]) == 0
    assert "this customer has no e-mail address and would be refused" in capsys.readouterr().out


def test_a_customers_text_message_and_fax_are_shown_beside_the_mail(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_session() as session, session.store.durable("test") as connection:
        columns = people.customers.c
        connection.execute(
            sa.update(people.customers).where(columns.key == "C-1").values(phone="+46701112233")
        )
    command = ["preview", "spring_winback", "--customer", "C-1", "--variant", "warm"]
    assert execute([*command, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    text, fax = facts["legs"]
    assert [(one["kind"], one["to"], one["refused"]) for one in facts["legs"]] == [
        ("sms", "+46701112233", None),
        ("fax", None, None),
    ]
    # The short link of a text stands for one as long as is sent, and nobody can follow it.
    assert "We kept your favourites" in text["text"] and "/s/k3Qv9ZrT1mW8bYc5Lp2NxA" in text["text"]
    assert "segment" in text["facts"][0] and "1 page" in fax["facts"][0]
    assert {Path(one).suffix for one in fax["files"]} == {".tif", ".png"}
    assert all(Path(one).is_file() for leg in facts["legs"] for one in leg["files"])
    assert (facts["plan"], facts["gaps"], facts["unworded"]) == (None, [], [])
    assert execute(command) == 0
    said = capsys.readouterr().out
    assert "sms (sms)" in said and "To         +46701112233" in said
    assert "fax (fax)" in said and "nobody: this customer has no such number" in said


def test_a_campaign_without_mail_is_previewed_too(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace / "campaigns" / "spring_winback.yaml"
    path.write_text(re.sub(r"(?m)^via: .*$", "via: sms", path.read_text()))
    text = workspace / "templates" / "spring_winback" / "sms.en.txt"
    text.write_text(text.read_text().rstrip() + " {{ member_level }}\n")
    assert execute(["preview", "spring_winback", "--customer", "C-1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert "subject" not in facts
    assert [(one["channel"], one["refused"]) for one in facts["legs"]] == [
        ("sms", 'member_level is unknown, and the template gives no other words (… or "friend")')
    ]
    assert execute(["preview", "spring_winback", "--customer", "C-1", "--text", "--locale", "ru"]) == 0
    assert "Nordic Garden" in capsys.readouterr().out


def test_out_writes_where_it_is_told(workspace: Path) -> None:
    for name in ("look.html", "look.eml"):
        assert (
            execute(["preview", "spring_winback", "--customer", "C-1", "--out", str(workspace / "x" / name)])
            == 0
        )
    assert (workspace / "x" / "look.html").read_text().startswith("<!doctype html>")
    assert (workspace / "x" / "look.eml").read_bytes().startswith(b"From: Nordic Garden")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["spring_winbak", "--customer", "C-1"], 2, 'did you mean "spring_winback"?'),
        (["spring_winback", "--customer", "C-9"], 2, 'there is no customer with the key "C-9"'),
        (["spring_winback", "--customer", "C-1", "--variant", "cold"], 2, "there are: warm, direct"),
        (["spring_winback", "--customer", "C-1", "--out", "/proc/nowhere/x.html"], 1, "cannot be written to"),
    ],
)
def test_a_wrong_argument_is_one_clear_sentence(
    workspace: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert execute(["preview", *arguments]) == code
    assert words in capsys.readouterr().err


def test_an_unknown_attribute_is_shown_with_its_line(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace / "templates" / "spring_winback" / "email.en.txt"
    path.write_text(path.read_text().replace("{{ full_name or", "{{ full_nam or"))
    assert execute(["preview", "spring_winback", "--customer", "C-1"]) == 1
    said = capsys.readouterr().err
    assert 'templates/spring_winback/email.en.txt:4:10: there is no attribute or text "full_nam"' in said
    assert 'did you mean "full_name"?' in said


def test_a_value_without_a_fallback_is_one_clear_sentence(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace / "templates" / "spring_winback" / "email.ru.txt"
    path.write_text(path.read_text() + "\n{{ full_name }}\n")
    assert execute(["preview", "spring_winback", "--customer", "C-3"]) == 1
    said = capsys.readouterr().err
    assert 'error: the message for customer "C-3" cannot be written: full_name is unknown' in said
    assert "Traceback" not in said
