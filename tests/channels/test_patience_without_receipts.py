"""Patience is worth writing only where an adapter says what became of a message; the check says where it does not."""

from __future__ import annotations

from pathlib import Path

from support.workspaces import FILES, small_workspace
from tidings.channels.checking import check_channels, receipts_of
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.loader import load

CAMPAIGN = "campaign: Hello\nto: everybody\nsend: welcome\nvia: email\npatience: 2 hours\n"


def test_patience_on_a_channel_without_receipts_is_a_warning_at_its_place(tmp_path: Path) -> None:
    text = FILES["channels/email.yaml"] + "patience: 4 hours\n"
    (problem,) = check_channels(load(small_workspace(tmp_path, {"channels/email.yaml": text})))
    assert (problem.code, problem.severity, problem.at.line) == ("CHN07", "warning", 5)
    assert problem.message.startswith("adapter smtp brings no receipts")


def test_patience_of_a_campaign_is_a_warning_when_none_of_its_channels_has_receipts(tmp_path: Path) -> None:
    (problem,) = check_channels(load(small_workspace(tmp_path, {"campaigns/c.yaml": CAMPAIGN})))
    assert (problem.code, problem.at.path, problem.at.line) == ("CHN07", "campaigns/c.yaml", 5)


def test_patience_beside_a_channel_with_receipts_is_no_matter(tmp_path: Path) -> None:
    files = {
        "channels/text.yaml": 'channel: Fax\nadapter: hylafax\nkind: fax\nsender: "+4680000000"\npatience: 4 hours\n',
        "templates/welcome/fax.en.html": "<html><body>Hello</body></html>",
        "campaigns/c.yaml": CAMPAIGN.replace("via: email", "via: [email, text]"),
    }
    assert [
        one for one in check_channels(load(small_workspace(tmp_path, dict(files)))) if one.code == "CHN07"
    ] == []


def test_no_secret_is_needed_to_know_about_receipts() -> None:
    channel = Channel(
        "sms", "SMS", "channels/sms.yaml", "twilio", kind="sms", sender="+46700000000",
        options=(("account_sid", "AC" + "0" * 32),), secrets=(("auth_token", "TIDINGS_TWILIO_TOKEN"),),
    )  # fmt: skip
    assert receipts_of(channel) in ("poll", "webhook")
    assert receipts_of(Channel("x", "X", "channels/x.yaml", "nowhere")) is None
