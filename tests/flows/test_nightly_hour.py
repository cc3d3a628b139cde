"""The night's flow runs exactly once on each day, also on those on which clocks are changed, whatever its hour."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from support.command_line import new_shop
from tidings.config.settings import load_settings
from tidings.flows.prefect_file import Schedules, content

# The last day before, and the day on which clocks are changed: forwards (a gap), and back (an hour comes twice).
CHANGES = {
    "Europe/Berlin": ("2027-03-28", "2027-10-31"),
    "America/New_York": ("2027-03-14", "2027-11-07"),
}
# What a Prefect server does all day: it asks the schedule for the next instants, again and again, and keeps each once.
ASKING = """
import asyncio, json, sys
from datetime import datetime, timedelta
from prefect.server.schemas.schedules import CronSchedule

async def asked(cron, timezone, first, last):
    schedule, found, now = CronSchedule(cron=cron, timezone=timezone), set(), datetime.fromisoformat(first)
    while now < datetime.fromisoformat(last):
        found |= {one.timestamp() for one in await schedule.get_dates(n=2, start=now)}
        now += timedelta(minutes=20)
    return sorted(found)

print(json.dumps([asyncio.run(asked(*one)) for one in json.loads(sys.argv[1])]))
"""


def cron_of(root: Path, zone: str, hour: str) -> tuple[str, str]:
    """Return cron and time zone of the night's flow as they stand in prefect.yaml."""
    workspace = root / "config/workspace.yaml"
    text = workspace.read_text()
    (line,) = [one for one in text.splitlines() if one.startswith("zone: ")]
    workspace.write_text(text.replace(line, f"zone: {zone}"))
    whole = yaml.safe_load(content(load_settings(root), Schedules(nightly=hour), version="3.8.8"))
    (schedule,) = next(one["schedules"] for one in whole["deployments"] if "nightly" in one["entrypoint"])
    return schedule["cron"], schedule["timezone"]


def test_the_night_comes_exactly_once_on_the_day_of_a_gap_and_on_that_of_an_overlap(tmp_path: Path) -> None:
    root = new_shop(tmp_path / "shop").root
    cases = []
    for zone, days in CHANGES.items():
        # By default, and at an hour that comes twice in America.
        for hour in (Schedules().nightly, "01:30"):
            cron, timezone = cron_of(root, zone, hour)
            assert timezone == zone
            for day in days:
                noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone))
                around = [(noon + timedelta(days=days)).isoformat() for days in (-2, 2)]
                cases.append((cron, zone, day, around))
    asked = [(cron, zone, *around) for cron, zone, _, around in cases]
    done = subprocess.run(
        [sys.executable, "-c", ASKING, json.dumps(asked)],
        env={**os.environ, "PREFECT_HOME": str(tmp_path / "prefect"), "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    for (cron, zone, day, around), instants in zip(cases, json.loads(done.stdout), strict=True):
        local = [datetime.fromtimestamp(one, ZoneInfo(zone)) for one in instants]
        days = Counter(
            one.date().isoformat() for one in local if one.date() < datetime.fromisoformat(around[1]).date()
        )
        assert set(days.values()) == {1}, (cron, zone, day, local)
        assert day in days, (cron, zone, day, local)
        assert len(days) == 3


@pytest.mark.parametrize(("zone", "days"), CHANGES.items())
def test_the_default_hour_falls_into_the_gap_of_both_zones(zone: str, days: tuple[str, str]) -> None:
    hour, minute = map(int, Schedules().nightly.split(":"))
    wall = datetime.fromisoformat(days[0]).replace(hour=hour, minute=minute, tzinfo=ZoneInfo(zone))
    # Else the test above would say nothing about gaps.
    assert wall.astimezone(ZoneInfo("UTC")).astimezone(ZoneInfo(zone)).hour != hour
