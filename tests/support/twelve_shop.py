"""The twelve definitions as a shop that runs: its commands on a clock that jumps, its imports, its outbox, its days."""

from __future__ import annotations

import csv
import email
import email.policy
import io
import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from support.shop import ROOT
from support.starter_shop import StarterShop
from tidings.cli.main import execute
from tidings.clock import to_micros
from tidings.customers.identity import customer_u
from tidings.definitions.kinds.rules import Event
from tidings.store.tables import money, people, sending

TWELVE = Path(__file__).resolve().parents[1] / "definitions" / "twelve"
KEYS = "k1:" + "ab" * 32
# Where the store is differs from test to test; everything else stays as it is written.
_ENVIRONMENTS = "environments:\n  development: {store_from: TIDINGS_STORE, outbox: true}\n"
_FIELDS = "email phone fax locale zone country account full_name account_type preferred_channel dealer account_manager".split()
_AGREED = [("email", "marketing"), ("sms", "marketing"), ("fax", "marketing"), ("email", "newsletter"), ("email", "trade"), ("fax", "trade")]  # fmt: skip
_CUSTOMERS = f"""\
import: Customers
kind: customers
customer: customer_id
fields:
{"".join(f"  {one}: {one}{chr(10)}" for one in _FIELDS)}\
  birthday: {{column: birthday, format: YYYY-MM-DD}}
  last_order_at: {{column: last_order_at, format: YYYY-MM-DD}}
  lifetime_value: lifetime_value
consent:
{"".join(f"  - {{channel: {kind}, purpose: {purpose}, basis: opt-in, when: {{agreed_{kind}_{purpose}: [y]}}}}{chr(10)}" for kind, purpose in _AGREED)}"""
_COLUMNS = ["customer_id", *_FIELDS, "birthday", "last_order_at", "lifetime_value", *(f"agreed_{kind}_{purpose}" for kind, purpose in _AGREED)]  # fmt: skip


def twelve_workspace(folder: Path) -> Path:
    """Copy the twelve definitions, with a store of the test's own and mappings for the files that it imports."""
    root = Path(shutil.copytree(TWELVE, folder))
    workspace = root / "config" / "workspace.yaml"
    workspace.write_text(workspace.read_text() + _ENVIRONMENTS)
    shutil.copy(ROOT / "config/imports/stock.yaml", root / "config/imports/stock.yaml")
    (root / "config/imports/customers.yaml").write_text(_CUSTOMERS)
    return root


def map_event(root: Path, event: Event) -> None:
    """Write the mapping by which a file of an event is read: a column for each property, money in that of the workspace."""
    lines = [f"import: {event.name}", "kind: events", f"event: {event.name}", "customer: customer_id"]
    lines += ["at: {column: at, zone: Europe/Stockholm}", "ids: [id]"]
    if event.properties:
        lines.append("properties:")
    for one in event.properties:
        more = {"money": ", money: EUR", "date": ", format: YYYY-MM-DD"}.get(one.type, "")
        lines.append(f"  {one.name}: {{column: {one.name}{more}}}")
    (root / f"config/imports/{event.name}.yaml").write_text("\n".join(lines) + "\n")


def addressed(key: str) -> dict[str, object]:
    """Return a customer with a mailbox, a telephone and a fax of their own, in Stockholm."""
    n = customer_u("", key) % 1000
    return {
        "customer_id": key, "email": f"{key}@customers.example", "phone": f"+46701740{n:03}", "fax": f"+4684445{n:03}",
        "full_name": key, "locale": "en", "zone": "Europe/Stockholm",
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


def run(*arguments: str, code: int = 0) -> Answer:
    """Run `tidings ARGUMENTS` in this process, on the shop's clock; it must end with this exit code."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        ended = execute(arguments)
    said = Answer(ended, out.getvalue(), err.getvalue())
    assert ended == code, (arguments, said)
    return said


class TwelveShop(StarterShop):
    """The twelve definitions on a store, used by their commands as people use them."""

    def bring(self, *rows: Mapping[str, object], agreed: Iterable[str] = (), into: str = "") -> None:
        """Import customers: fields by name, who agreed to what as "email marketing", and into which listed segment."""
        ticks = {f"agreed_{one.replace(' ', '_')}": "y" for one in agreed}
        more = ("--into", into) if into else ()
        self.import_rows("customers", _COLUMNS, [{**ticks, **row} for row in rows], *more)

    def happened(self, event: str, who: Mapping[str, Mapping[str, object]] | Iterable[str]) -> None:
        """Import that something happened to customers now, with what properties; `at` is another hour of the workspace."""
        told = dict(who) if isinstance(who, Mapping) else {key: {} for key in who}
        known = self.settings.definitions.events.get(event)
        assert known is not None
        now = self.clock.now().astimezone(ZoneInfo("Europe/Stockholm")).strftime("%Y-%m-%d %H:%M:%S")
        rows = []
        for key, properties in told.items():
            self.numbers += 1
            rows.append({"id": self.numbers, "customer_id": key, "at": now, **properties})
        self.import_rows(event, ["id", "customer_id", "at", *(one.name for one in known.properties)], rows)

    def import_rows(
        self, mapping: str, columns: list[str], rows: list[dict[str, object]], *more: str
    ) -> None:
        """Write a file and import all of it."""
        self.numbers += 1
        path = self.settings.root / f"{mapping}-{self.numbers}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        done = run("import", str(path), "--as", mapping, *more, "--json").data
        assert done["rejected"] == 0, done

    def letters(self) -> dict[str, list[tuple[str, str]]]:
        """Return subject and text of every mail in the outbox, in their order, by recipient."""
        found: dict[str, list[tuple[str, str]]] = {}
        for piece in self.pieces("eml"):
            mail = email.message_from_bytes(piece, policy=email.policy.default)
            body = mail.get_body(("plain",))
            assert body is not None
            found.setdefault(str(mail["To"]), []).append((str(mail["Subject"]), body.get_content()))
        return found

    def codes(self) -> dict[str, list[str]]:
        """Return the codes that customers have, by customer."""
        found: dict[str, list[str]] = {}
        with self.store.read() as connection:
            rows = connection.execute(
                sa.select(people.customers.c.key, money.codes.c.code)
                .join(people.customers, people.customers.c.id == money.codes.c.customer_id)
                .where(money.codes.c.state == "reserved")
                .order_by(money.codes.c.id)
            )
            for key, code in rows:
                found.setdefault(key, []).append(code)
        return found

    def arms_of(self, name: str) -> dict[str, str]:
        """Return the arm of each customer in a campaign or flow; of one who came back, the last."""
        enrolments, runs, customers = sending.enrolments, sending.runs, people.customers
        with self.store.read() as connection:
            rows = connection.execute(
                sa.select(customers.c.key, enrolments.c.arm)
                .select_from(
                    enrolments.join(runs, runs.c.id == enrolments.c.run_id).join(
                        customers, customers.c.id == enrolments.c.customer_id
                    )
                )
                .where(runs.c.campaign == name)
                .order_by(enrolments.c.id)
            )
            return {row[0]: row[1] for row in rows}


def apply_model(twelve: TwelveShop) -> None:
    """Let a model of the one score be applied; nobody has a value of it yet."""
    now = to_micros(twelve.clock.now())
    with twelve.store.durable("test") as connection:
        connection.execute(
            money.score_models.insert().values(
                hash="0" * 64, score="repeat_purchase", trained_at=now, cut_off=now, model={}, quality={},
                applied_at=now, scored=0,
            )
        )  # fmt: skip
