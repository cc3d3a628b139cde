"""Which time zones may be a customer's: the zone written, else those of the country and of the start of the phone number.

Whoever has a fax number only is looked up by that.

The question is asked by area, not by customer: an area is a zone, or a country with the first digits of a number. There are few of
them, each is looked up once, and statements join the table `zone_areas`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tidings.customers.alive import alive
from tidings.store.database import Store
from tidings.store.tables import journeys, people

# Enough of a number, with its country code, to tell a region; more would make an area of nearly every customer.
DIGITS = 5
_EXPLICIT = "="
_PHONE = "+"
# Endings that make a whole number of an area's digits, to ask what kind of numbers it has.
_ENDINGS = ("0000000000", "1234567890", "5555555555")


def area_column() -> sa.ColumnElement[str]:
    """Return the area of a row of customers: `=Europe/Riga` where a zone is written, else such as `RU+74951`.

    A country or number that is not known leaves its side of the + empty.
    """
    customers = people.customers
    number = sa.func.coalesce(customers.c.phone, customers.c.fax, type_=sa.Text)
    digits = sa.func.substr(number, 2, DIGITS, type_=sa.Text)
    by_place = (
        sa.func.coalesce(customers.c.country, "", type_=sa.Text)
        .concat(sa.literal(_PHONE, sa.Text))
        .concat(sa.func.coalesce(digits, "", type_=sa.Text))
    )
    written = sa.literal(_EXPLICIT, sa.Text).concat(customers.c.zone)
    return sa.case((customers.c.zone.is_not(None), written), else_=by_place)


def fill_areas(store: Store) -> int:
    """Look up the areas of customers that `zone_areas` does not have, or has by other data; return how many.

    Two at once do the same work and write the same rows.
    """
    table, data = journeys.zone_areas, data_version()
    found = sa.select(area_column().label("area")).where(alive()).distinct()
    known = sa.select(table.c.area).where(table.c.data == data)
    with store.read() as connection:
        missing = sorted(connection.execute(found.except_(known)).scalars())
    year = store.clock.now().year
    insert = postgresql.insert if store.dialect == "postgresql" else sqlite.insert
    for part in store.paced("zones").chunks(missing, 200):
        rows = [{"area": area, "zones": " ".join(candidates(area, year)), "data": data} for area in part]
        statement = insert(table).values(rows)
        with store.durable("zones") as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["area"],
                    set_={"zones": statement.excluded.zones, "data": statement.excluded.data},
                )
            )
    return len(missing)


def zones_of(connection: sa.Connection, areas: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the zones of areas as stored; empty where nothing is known of one, or it was not looked up."""
    wanted = list(dict.fromkeys(areas))
    table = journeys.zone_areas
    found: dict[str, tuple[str, ...]] = dict.fromkeys(wanted, ())
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        for area, zones in connection.execute(
            sa.select(table.c.area, table.c.zones).where(table.c.area.in_(part))
        ):
            found[area] = tuple(zones.split())
    return found


@lru_cache(maxsize=1)
def data_version() -> str:
    """Return which time zone, telephone and country data this machine has."""
    return f"tz {_tz_version()}, phonenumbers {version('phonenumbers')}, babel {version('babel')}"


def _tz_version() -> str:
    for folder in TZPATH:
        listed = Path(folder) / "tzdata.zi"
        if listed.is_file():
            with listed.open(encoding="ascii", errors="replace") as lines:
                return lines.readline().removeprefix("# version").strip()
    try:
        return version("tzdata")
    except PackageNotFoundError:
        return "unknown"


def candidates(area: str, year: int) -> tuple[str, ...]:
    """Return the zones that an area may be in, in order; empty when nothing is known.

    A country's zones are narrowed to those whose clocks agree with one of the phone's. Where none does (somebody moved and kept
    the number), the country counts. `year` is the one whose offsets are compared.
    """
    if area.startswith(_EXPLICIT):
        return _usable((area.removeprefix(_EXPLICIT),))
    country, _, digits = area.partition(_PHONE)
    by_country = _usable(_of_country(country.upper()))
    by_phone = _usable(_of_phone(digits))
    if not by_country or not by_phone or len(by_country) == 1:
        return by_country or by_phone
    # A phone's zones are examples for a clock: Bucharest stands for Kaliningrad.
    elsewhere = {_standard(name, year) for name in by_phone if name not in by_country}
    both = [name for name in by_country if name in by_phone or _standard(name, year) in elsewhere]
    return tuple(both) or by_country


def _of_country(country: str) -> tuple[str, ...]:
    from babel.core import get_global

    return tuple(get_global("territory_zones").get(country, ()))


@lru_cache(maxsize=65_536)
def _of_phone(digits: str) -> tuple[str, ...]:
    """Return the zones of numbers that begin with some digits.

    Numbers that may be anywhere in the country (mobile ones, in most) have all of its zones.
    """
    from phonenumbers.tzdata import TIMEZONE_DATA

    code = next((digits[:end] for end in (1, 2, 3) if _is_country_code(digits[:end])), "")
    if not code:
        return ()
    anywhere = tuple(TIMEZONE_DATA.get(code, ()))
    if len(anywhere) == 1 or not _bound_to_place(code, digits[len(code) :]):
        return anywhere
    own = next(
        (TIMEZONE_DATA[digits[:end]] for end in range(len(digits), 0, -1) if digits[:end] in TIMEZONE_DATA),
        (),
    )
    within = [
        zones
        for prefix, zones in TIMEZONE_DATA.items()
        if len(prefix) > len(digits) and prefix.startswith(digits)
    ]
    return tuple(dict.fromkeys(name for zones in (own, *within) for name in zones))  # fmt: skip


def _is_country_code(text: str) -> bool:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return text[:1] > "0" and int(text) in COUNTRY_CODE_TO_REGION_CODE


def _bound_to_place(code: str, national: str) -> bool:
    """Tell whether all valid numbers with this beginning belong to a place; False where none is known to be valid."""
    import phonenumbers

    region = phonenumbers.region_code_for_country_code(int(code))
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if metadata is None:
        return False
    kinds = [one for one in (metadata.fixed_line, metadata.mobile) if one is not None]
    lengths = {length for one in kinds for length in one.possible_length if length >= len(national)}
    found = False
    for length in sorted(lengths):
        for ending in _ENDINGS:
            whole = (national + ending * 2)[:length]
            number = phonenumbers.PhoneNumber(
                country_code=int(code),
                national_number=int(whole),
                italian_leading_zero=whole.startswith("0") or None,
            )
            kind = phonenumbers.number_type(number)
            if kind == phonenumbers.PhoneNumberType.UNKNOWN:
                continue
            if not phonenumbers.phonenumberutil.is_number_type_geographical(kind, int(code)):
                return False
            found = True
    return found


def _usable(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names under which this machine knows the zones, each zone once, in order."""
    from babel.core import get_global

    aliases = get_global("zone_aliases")
    found = dict.fromkeys(aliases.get(name, name) for name in names)
    return tuple(sorted(name for name in found if _exists(name)))


@lru_cache(maxsize=2048)
def _exists(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return not name.startswith("Etc/Unknown")


@lru_cache(maxsize=2048)
def _standard(name: str, year: int) -> timedelta:
    """Return by how much clocks differ from UTC when there is no summer time."""
    zone = ZoneInfo(name)
    offsets = [datetime(year, month, 1, tzinfo=UTC).astimezone(zone).utcoffset() for month in (1, 7)]
    return min(one for one in offsets if one is not None)
