"""Pauses of a channel, and cancelling, as people type them."""

from __future__ import annotations

import json

from delivery.test_commands import Command, tidings, workspace  # noqa: F401
from tidings.cli.session import open_session
from tidings.delivery.pause import pause_channel


def test_a_channel_is_paused_shown_everywhere_and_resumed(tidings: Command) -> None:  # noqa: F811
    assert tidings("pause", "--channel", "email", "--reason", "wrong key") == (
        0,
        "the channel email is paused; 6 messages wait.\nGo on with:  tidings resume --channel email\n",
        "",
    )
    assert "was paused already" in tidings("pause", "--channel", "email")[1]
    line = "the channel email is paused: wrong key. Go on with:  tidings resume --channel email"
    assert line in tidings("resume")[1]
    code, out, _ = tidings("verify")
    assert (code, f"WARNING  {line}" in out) == (0, True)
    assert json.loads(tidings("verify", "--json")[1])["paused_channels"] == {"email": "wrong key"}
    code, out, _ = tidings("resume", "--channel", "email", "-y")
    assert code == 0
    assert out.startswith("the channel email is no longer paused.\n6 messages wait.")
    assert tidings("resume", "--channel", "email")[1].startswith("the channel email was not paused.")


def test_a_channel_that_nobody_knows_and_both_at_once_are_usage_errors(tidings: Command) -> None:  # noqa: F811
    for command in ("pause", "resume"):
        code, _, err = tidings(command, "--channel", "emial")
        assert code == 2
        assert err.startswith('error: there is no channel "emial"\n  channels: ')
        assert tidings(command, "summer", "--channel", "email")[0] == 2


def test_the_plan_warns_of_a_paused_channel(tidings: Command, workspace) -> None:  # noqa: F811
    with open_session(root=workspace) as session:
        pause_channel(session.store, "email", reason="wrong key", actor="ann", now=session.clock.now())
    told = json.loads(tidings("plan", "spring_winback", "--json")[1])
    assert told["warnings"] == [
        "the channel email is paused: wrong key. Go on with:  tidings resume --channel email"
    ]
    assert "WARNING  the channel email is paused: wrong key" in tidings("plan", "spring_winback")[1]


def test_cancel_needs_a_yes_and_drops_for_good(tidings: Command) -> None:  # noqa: F811
    code, _, err = tidings("cancel", "summer")
    assert (code, err) == (
        2,
        "error: this would drop 6 messages and there is nobody to ask\n  add --yes\n",
    )
    assert (
        tidings("cancel", "summer", "--channel", "fax", "-y")[1] == "0 messages of summer by fax cancelled.\n"
    )
    code, out, _ = tidings("cancel", "summer", "-y", "--json")
    assert code == 0
    assert json.loads(out) == {"runs": [2], "channel": None, "cancelled": 6, "in_hand": 0}
    assert tidings("verify")[0] == 0


def test_doubts_are_told_by_the_clock_of_the_workspace(tidings: Command, workspace) -> None:  # noqa: F811
    from zoneinfo import ZoneInfo

    from tidings.delivery.doubt import doubts

    with open_session(root=workspace) as session, session.store.read() as connection:
        zone = ZoneInfo(session.settings.definitions.workspace.zone)
        at = doubts(connection)[0].attempted_at
    assert at is not None
    assert at.astimezone(zone).utcoffset() != at.utcoffset()
    assert f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}" in tidings("in-doubt")[1]
