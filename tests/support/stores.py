"""Fresh migrated stores, made by copying one that was migrated once."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from tidings.clock import FixedClock
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.store.database import Store
from tidings.store.vocabulary import apply_changes

if TYPE_CHECKING:
    # Processes that are started to be killed need no driver of PostgreSQL to work on SQLite.
    from support.postgres import Server

WORKSPACE, ENVIRONMENT = "test", "development"
START = datetime(2027, 3, 2, 9, 0, tzinfo=UTC)

# The same as config/attributes.yaml.
ATTRIBUTES = Attributes(
    (
        Attribute("full_name", "text", "Full name", personal="erase"),
        Attribute("first_name", "text", "First name", personal="erase"),
        Attribute("last_name", "text", "Last name", personal="erase"),
        Attribute("patronymic", "text", "Patronymic", personal="erase"),
        Attribute("gender", "text", "Gender", values=("female", "male", "other"), personal="erase"),
        Attribute("birthday", "date", "Date of birth", personal="erase"),
        Attribute("member_level", "text", "Member level", values=("basic", "silver", "gold")),
        Attribute("interests", "list", "Interests"),
        Attribute("lifetime_value", "money", "Bought so far", currency="EUR"),
        Attribute("last_order_at", "date", "Last order"),
        Attribute("orders", "number", "Orders so far", lowest=0),
        Attribute("vip", "flag", "Key customer"),
        Attribute("account_type", "text", "Kind of customer", values=("person", "business")),
        Attribute("preferred_channel", "text", "Preferred channel", values=("email", "sms", "fax")),
        Attribute("dealer", "text", "Dealer"),
        Attribute("account_manager", "text", "Own contact"),
        Attribute("prospect_state", "text", "Prospect", values=("new", "with_sales", "nurtured")),
    )
)


def open_store(url: str, clock: FixedClock | None = None, *, create: bool = False) -> Store:
    """Open a store of the tests' workspace; processes that a test starts use it as well."""
    return Store.open(
        url, clock=clock or FixedClock(START), workspace=WORKSPACE, environment=ENVIRONMENT, create=create
    )


@dataclass
class Stores:
    """Makes stores in a folder and, where there is one, in a PostgreSQL server.

    A store comes migrated and with the vocabulary of ATTRIBUTES; `bare` ones have no vocabulary.
    """

    folder: Path
    server: Server | None
    numbers: count[int] = field(default_factory=count)
    made: dict[tuple[str, bool], str] = field(default_factory=dict)

    def url(self, dialect: str, *, bare: bool = False) -> str:
        """Return the address of a new store."""
        return self._copy(dialect, self._template(dialect, bare))

    def copy(self, url: str) -> str:
        """Return the address of a new store that is as the one at `url`, which nobody uses."""
        dialect = "sqlite" if url.startswith("sqlite") else "postgresql"
        return self._copy(dialect, _name(url))

    def _copy(self, dialect: str, template: str) -> str:
        name = f"t{next(self.numbers)}"
        if dialect == "sqlite":
            path = self.folder / f"{name}.sqlite"
            shutil.copyfile(template, path)
            return f"sqlite:///{path}"
        assert self.server is not None
        self.server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.server.url(name)

    def empty(self, dialect: str) -> str:
        """Return the address of a new PostgreSQL database without tables, or of a file that is not there yet."""
        name = f"e{next(self.numbers)}"
        if dialect == "sqlite":
            return f"sqlite:///{self.folder / f'{name}.sqlite'}"
        assert self.server is not None
        self.server.execute(f"CREATE DATABASE {name}")
        return self.server.url(name)

    def drop(self, url: str) -> None:
        """Remove a store that nobody uses any more."""
        name = url.split("?", maxsplit=1)[0].rsplit("/", 1)[1]
        if url.startswith("sqlite"):
            for path in self.folder.glob(f"{name}*"):
                path.unlink()
        else:
            assert self.server is not None
            self.server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _template(self, dialect: str, bare: bool) -> str:
        known = self.made.get((dialect, bare))
        if known:
            return known
        url = self.empty(dialect)
        with open_store(url, create=True) as store:
            if not bare:
                apply_changes(store, ATTRIBUTES)
        self.made[dialect, bare] = name = _name(url)
        return name


def _name(url: str) -> str:
    """Return the file of a store, or the database in the server."""
    if url.startswith("sqlite"):
        return url.removeprefix("sqlite:///")
    return url.split("?", maxsplit=1)[0].rsplit("/", 1)[1]
