"""Where customers may be: the zone written, the country, the phone; the same on both databases."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from support.shop import SALT
from tidings.clock import to_micros
from tidings.customers import zones
from tidings.customers.identity import customer_u
from tidings.customers.zones import area_column, candidates, fill_areas, zones_of
from tidings.store.tables import journeys, people

YEAR = 2027


def put(store, **customers) -> None:
    """Insert customers by key: (zone, country, phone)."""
    with store.durable("seed") as connection:
        connection.execute(
            people.customers.insert(),
            [
                {
                    "key": key,
                    "u": customer_u(SALT, key),
                    "zone": zone,
                    "country": country,
                    "phone": phone,
                    "created_at": to_micros(store.clock.now()),
                }
                for key, (zone, country, phone) in customers.items()
            ],
        )


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        ("=Asia/Taipei", ("Asia/Taipei",)),
        ("=Mars/Olympus", ()),
        ("TW+88691", ("Asia/Taipei",)),
        ("TW+", ("Asia/Taipei",)),
        ("CN+86139", ("Asia/Shanghai",)),
        ("NP+97798", ("Asia/Kathmandu",)),
        ("RU+74951", ("Europe/Moscow",)),
        ("RU+74232", ("Asia/Vladivostok",)),
        # The telephone data say Bucharest, whose clock Kaliningrad shares in winter.
        ("RU+74012", ("Europe/Kaliningrad",)),
        ("US+12125", ("America/New_York",)),
        ("+12125", ("America/New_York",)),
        ("AU+61291", ("Australia/Sydney",)),
        ("ES+34922", ("Atlantic/Canary",)),
        # 219 is cut by the border between two zones.
        ("US+12192", ("America/Chicago", "America/New_York")),
        # Somebody in Germany with a number of Taiwan: the country counts.
        ("DE+88691", ("Europe/Berlin", "Europe/Busingen")),
        ("+", ()),
        ("+9", ()),
        ("XX+", ()),
    ],
)
def test_the_zone_written_comes_before_the_country_and_that_before_the_phone(area, expected) -> None:
    assert candidates(area, YEAR) == expected


def test_a_mobile_number_that_may_be_anywhere_leaves_the_whole_country() -> None:
    found = candidates("RU+79161", YEAR)
    assert {"Europe/Kaliningrad", "Europe/Moscow", "Asia/Vladivostok", "Asia/Kamchatka"} <= set(found)
    assert "Asia/Almaty" not in found


def test_whoever_has_a_fax_number_only_is_where_that_is(store) -> None:
    put(store, faxed=(None, "RU", None), both=(None, "RU", "+74232123456"), unknown=(None, None, None))
    customers = people.customers
    with store.durable("seed") as connection:
        connection.execute(sa.update(customers).values(fax="+74951234567"))
    fill_areas(store)
    with store.read() as connection:
        areas = dict(connection.execute(sa.select(customers.c.key, area_column())).all())
        found = zones_of(connection, areas.values())
    assert {key: found[area] for key, area in areas.items()} == {
        "faxed": ("Europe/Moscow",),
        "both": ("Asia/Vladivostok",),
        "unknown": ("Europe/Moscow",),
    }


def test_areas_are_filled_once_and_read_back(store) -> None:
    put(
        store,
        written=("Asia/Taipei", "RU", "+74951234567"),
        moscow=(None, "RU", "+74951234567"),
        moscow2=(None, "RU", "+74957654321"),
        abroad=(None, None, "+12125551234"),
        country=(None, "NP", None),
        nothing=(None, None, None),
    )
    assert fill_areas(store) == 6
    assert fill_areas(store) == 0
    customers = people.customers
    with store.read() as connection:
        areas = dict(connection.execute(sa.select(customers.c.key, area_column())).all())
        assert areas == {
            "written": "=Asia/Taipei",
            "moscow": "RU+74951",
            "moscow2": "RU+74957",
            "abroad": "+12125",
            "country": "NP+",
            "nothing": "+",
        }
        found = zones_of(connection, areas.values())
    assert {key: found[area] for key, area in areas.items()} == {
        "written": ("Asia/Taipei",),
        "moscow": ("Europe/Moscow",),
        "moscow2": ("Europe/Moscow",),
        "abroad": ("America/New_York",),
        "country": ("Asia/Kathmandu",),
        "nothing": (),
    }


def test_other_data_of_zones_or_numbers_look_every_area_up_again(store, monkeypatch) -> None:
    put(store, one=("Asia/Taipei", None, None), two=(None, "RU", "+74951234567"))
    fill_areas(store)
    monkeypatch.setattr(zones, "data_version", lambda: "of next year")
    monkeypatch.setattr(zones, "candidates", lambda *_: ("Europe/Minsk",))
    assert fill_areas(store) == 2
    assert fill_areas(store) == 0
    table = journeys.zone_areas
    with store.read() as connection:
        rows = connection.execute(sa.select(table.c.zones, table.c.data).distinct()).all()
    assert [tuple(row) for row in rows] == [("Europe/Minsk", "of next year")]


def test_the_version_of_the_data_names_all_three() -> None:
    assert all(word in zones.data_version() for word in ("tz 20", "phonenumbers ", "babel "))


@pytest.mark.parametrize("area", ["US+", "RU+", "AU+", "CA+", "BR+", "+1", "+7", "ID+"])
def test_every_candidate_is_a_zone_that_this_machine_knows(area) -> None:
    found = candidates(area, YEAR)
    assert len(found) > 2
    for name in found:
        ZoneInfo(name)
