"""`tidings preview` without a customer, and `tidings send-test`: what a marketer looks at before anybody gets it."""

from __future__ import annotations

import io
import shutil
from email import message_from_bytes
from pathlib import Path

import pytest
from PIL import Image

from support.command_line import Shop, new_shop
from support.smtp_servers import Scripted, aiosmtpd_server
from tidings.channels.sandbox.twilio import ACCOUNT, TOKEN, TwilioSandbox

LOCALES = ("en", "ru", "zh-CN", "zh-TW")
TEMPLATE = {
    "sms.en.txt": "{{ headline }} Code SPRING25 at https://nordicgarden.example/spring Reply STOP to opt out",
    "sms.zh-TW.txt": "{{ headline }}：https://nordicgarden.example/spring 回覆 STOP 退訂",
}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return new_shop(tmp_path / "shop")


@pytest.fixture
def three_kinds(shop: Shop) -> Shop:
    """A campaign that goes out by e-mail, SMS and fax, of its own, whatever the starter has."""
    folder = shop.root / "templates" / "three"
    folder.mkdir()
    shutil.copytree(shop.root / "templates" / "spring_winback" / "images", folder / "images")
    for path in (shop.root / "templates" / "spring_winback").glob("email.*.html"):
        (folder / path.name).write_bytes(path.read_bytes())
        text = path.with_suffix(".txt")
        (folder / text.name).write_bytes(text.read_bytes())
    for name, content in TEMPLATE.items():
        (folder / name).write_text(content)
    (folder / "fax.en.html").write_text(
        "<h1>{{ headline }}</h1><p>Order sheet for {{ full_name or 'our customer' }}</p>"
        "<table><tr><td>Secateurs</td><td>129 SEK</td></tr></table><div class='opt-out'><p>{{ opt_out_notice }}</p></div>"
    )
    (shop.root / "channels" / "texts.yaml").write_text(
        "channel: Texts\nadapter: outbox\nkind: sms\nsender: NordicGardn\ncost: 0.05 EUR per segment\n"
    )
    (shop.root / "channels" / "sheets.yaml").write_text(
        "channel: Fax sheets\nadapter: outbox\nkind: fax\nsender: Nordic Garden <+46850001000>\ncost: 0.10 EUR per page\n"
        'options: {opt_out_phone: "+46850001000", opt_out_fax: "+46850001001"}\n'
    )
    old = (shop.root / "campaigns" / "spring_winback.yaml").read_text()
    lines = [line for line in old.splitlines() if not line.startswith(("send:", "via:"))]
    (shop.root / "campaigns" / "three.yaml").write_text(
        "\n".join([*lines, "send: three", "via: [email, texts, sheets]"]) + "\n"
    )
    return shop


def test_the_gallery_shows_every_channel_locale_and_variant(three_kinds: Shop) -> None:
    made = three_kinds.ok("preview", "three", "--json").data
    seen = {(one["kind"], one["locale"], one["variant"]) for one in made["cards"]}
    variants = ("warm", "direct")
    assert seen == {
        *(("email", locale, variant) for locale in LOCALES for variant in variants),
        *(("sms", locale, variant) for locale in ("en", "zh-TW") for variant in variants),
        *(("fax", "en", variant) for variant in variants),
    }
    for card in made["cards"]:
        assert card["pictures"], card
        for path in card["pictures"]:
            with Image.open(path) as picture:
                assert picture.width >= 600
                # Something is drawn: not one colour from edge to edge.
                assert len(picture.convert("L").getcolors(256) or []) > 1
    page = Path(made["index"]).read_text()
    assert all(
        Path(path).name in page
        for card in made["cards"]
        if card["kind"] != "sms"
        for path in card["pictures"]
    )


def test_the_bubble_marks_where_a_segment_begins_and_says_what_it_costs(three_kinds: Shop) -> None:
    long = three_kinds.root / "templates" / "three" / "sms.en.txt"
    long.write_text("{{ headline }} " + "All spades and forks are in. " * 8 + "Reply STOP to opt out")
    made = three_kinds.ok("preview", "three", "--json", "--variant", "warm", "--locale", "en").data
    (card,) = [one for one in made["cards"] if one["kind"] == "sms"]
    # The name that it comes from cannot be answered, so a short link to unsubscribe is part of it.
    assert card["facts"][0].startswith("3 segments") and "of 459 signs (GSM 7-bit)" in card["facts"][0]
    assert any("0.15" in fact for fact in card["facts"])
    assert "/s/" in card["text"] and card["channel_id"] == "texts"
    page = Path(made["index"]).read_text()
    assert '<span class="cut">2</span>' in page and '<span class="cut">3</span>' in page


def test_a_fax_is_shown_as_the_pages_that_go_over_the_line(three_kinds: Shop) -> None:
    made = three_kinds.ok("preview", "three", "--json", "--variant", "warm").data
    (card,) = [one for one in made["cards"] if one["kind"] == "fax"]
    assert card["facts"][0].startswith("1 page")
    (tiff,) = [path for path in made["files"] if path.endswith(".tif")]
    with Image.open(tiff) as pages, Image.open(card["pictures"][0]) as shown:
        assert pages.size[0] == 1728 and pages.info["compression"] == "group4"
        assert shown.size[0] == 840


def test_a_gallery_needs_no_customers_and_changes_nothing(shop: Shop) -> None:
    said = shop.ok("preview", "spring_winback")
    assert "wrote" in said.out and "Nothing was sent" in said.out
    assert not shop.store_file().exists()
    assert shop.run("preview", "spring_winbak").code == 2


def test_a_test_goes_to_the_outbox_in_development_in_every_variant(three_kinds: Shop) -> None:
    said = three_kinds.ok(
        "send-test", "three", "--to", "crm@nordicgarden.example", "--to", "+46701112233", "--json"
    ).data
    assert [(one["channel"], one["variant"], one["outcome"]) for one in said["sent"]] == [
        ("email", "warm", "accepted"), ("email", "direct", "accepted"),
        ("texts", "warm", "accepted"), ("texts", "direct", "accepted"),
    ]  # fmt: skip
    assert "no messages" in three_kinds.run("verify").out or three_kinds.run("verify").code == 0


def test_a_real_test_asks_first_and_arrives_as_a_customer_would_get_it(shop: Shop) -> None:
    with aiosmtpd_server(server := Scripted()) as port:
        shop.mails_by_smtp(port)
        asked = shop.run("send-test", "spring_winback", "--to", "crm@nordicgarden.example")
        assert asked.code == 2 and "--yes" in asked.err and not server.envelopes
        shop.ok(
            "send-test",
            "spring_winback",
            "--to",
            "crm@nordicgarden.example",
            "--variant",
            "warm",
            "--locale",
            "ru",
            "--yes",
        )
    ((_, recipients, content),) = server.envelopes
    message = message_from_bytes(content)
    assert recipients == ["crm@nordicgarden.example"]
    assert "List-Unsubscribe" in message and "http" in message["List-Unsubscribe"]
    assert message["From"] == "Nordic Garden <hello@nordicgarden.example>"


def test_a_fax_test_is_the_pages_that_a_dealer_gets(three_kinds: Shop) -> None:
    said = three_kinds.ok(
        "send-test", "three", "--to", "+4681112233", "--by", "sheets", "--variant", "warm", "--json"
    ).data
    ((leg),) = said["sent"]
    assert (leg["channel"], leg["outcome"], leg["locale"]) == ("sheets", "accepted", "en")
    pages = [path for path in (three_kinds.root / ".tidings" / "outbox").rglob("*.tif*")]
    assert len(pages) == 1
    with Image.open(pages[0]) as sheet:
        assert sheet.size[0] == 1728 and sheet.info["compression"] == "group4"


def test_a_text_goes_through_the_providers_api_in_a_customers_words(three_kinds: Shop) -> None:
    """Twilio's sandbox takes the text with the values of a customer; what it refuses is said, with exit code 1."""
    with TwilioSandbox() as twilio:
        (three_kinds.root / "channels" / "texts.yaml").write_text(
            "channel: Texts\nadapter: twilio\nkind: sms\nsender: NordicGardn\n"
            f"options: {{account_sid: {ACCOUNT}, base_url: {twilio.url}}}\n"
            "secrets: {auth_token: TIDINGS_TWILIO_TOKEN}\n"
        )
        workspace = three_kinds.root / "config" / "workspace.yaml"
        workspace.write_text(workspace.read_text().replace("outbox: true", "outbox: false"))
        variables = {"TIDINGS_TWILIO_TOKEN": TOKEN}
        command = ("send-test", "three", "--variant", "warm", "--yes", "--json")
        taken = three_kinds.run(*command, "--to", "+46701112233", variables=variables)
        assert taken.code == 0, taken
        (sent,) = taken.data["sent"]
        assert sent["outcome"] == "accepted" and sent["provider_ref"].startswith("SM")
        refused = three_kinds.run(*command, "--to", "+46700000009", variables=variables)
        assert refused.code == 1
        assert refused.data["sent"][0]["outcome"] == "rejected"
        (message,) = twilio.listed({"To": "+46701112233"})
    assert message["body"].startswith("We kept your favourites Code SPRING25 at https://nordicgarden.example")


def test_a_suppressed_address_and_a_wrong_one_are_refused(shop: Shop) -> None:
    wrong = shop.run("send-test", "spring_winback", "--to", "nobody")
    assert wrong.code == 2 and "fits no channel" in wrong.err
    many = shop.run("send-test", "spring_winback", *(f"--to=a{n}@b.example" for n in range(21)))
    assert many.code == 2 and "20 are the most" in many.err
    _suppress(shop, "gone@nordicgarden.example")
    refused = shop.run("send-test", "spring_winback", "--to", "Gone@NordicGarden.example")
    assert refused.code == 3 and "suppressed (complaint)" in refused.err


def _suppress(shop: Shop, address: str) -> None:
    from tidings.cli.session import open_session
    from tidings.customers.identity import address_hash, normalise_email
    from tidings.customers.suppression import suppress

    with open_session(None, shop.root) as session:
        salt = session.settings.definitions.workspace.salt
        with session.store.durable("test") as connection:
            hashed = address_hash(salt, "email", normalise_email(address))
            suppress(connection, "email", hashed, "complaint", "test", 1)


def test_pictures_are_the_same_every_time(shop: Shop, tmp_path: Path) -> None:
    first = shop.ok(
        "preview", "spring_winback", "--out", str(tmp_path / "a"), "--variant", "warm", "--json"
    ).data
    second = shop.apart.ok(
        "preview", "spring_winback", "--out", str(tmp_path / "b"), "--variant", "warm", "--json"
    ).data
    for one, two in zip(first["cards"], second["cards"], strict=True):
        with (
            Image.open(io.BytesIO(Path(one["pictures"][0]).read_bytes())) as left,
            Image.open(two["pictures"][0]) as right,
        ):
            assert left.tobytes() == right.tobytes()
