"""Import a file under a mapping: streaming, in flat memory, repeatable, and taken up again where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from tidings.clock import to_micros
from tidings.customers import ledger
from tidings.customers.collecting import rarely_collecting
from tidings.customers.cost_answer import from_json
from tidings.customers.customer_rows import CustomerRows
from tidings.customers.customer_store import CustomerStore
from tidings.customers.driving import (
    SEEN,
    Job,
    Progress,
    parsed,
    parsed_together,
    store_items,
)
from tidings.customers.event_rows import LINE_WIDTH, EventRows
from tidings.customers.event_store import EventStore
from tidings.customers.experiment import ExperimentRows, ExperimentStore
from tidings.customers.laid_out import run_laid_out
from tidings.customers.layouts import LAID_OUT, body_of, check_totals, layout_of
from tidings.customers.listing import Lists, listing
from tidings.customers.mapped_columns import columns_of, formats_of
from tidings.customers.matching import any_row_test
from tidings.customers.reach import missing_columns, reach
from tidings.customers.reading import Limits, Table, fingerprint, open_rows, require_columns
from tidings.customers.rejects import Rejects
from tidings.customers.result import ImportResult, Rejected
from tidings.customers.spill import Groups, Ordinals
from tidings.definitions.kinds.importing import (
    CostsImport,
    CustomersImport,
    EventsImport,
    ExperimentImport,
    Import,
    NumbersImport,
    ProductsImport,
    StockImport,
    TouchesImport,
)
from tidings.definitions.money import to_minor
from tidings.definitions.workspace import Definitions
from tidings.store import audit
from tidings.store.database import Store
from tidings.store.table_statistics import analyse

_KINDS = {
    CustomersImport: "customers",
    EventsImport: "events",
    ExperimentImport: "experiment",
    CostsImport: "costs",
    TouchesImport: "touches",
    ProductsImport: "products",
    StockImport: "stock",
    NumbersImport: "do_not_call",
}
_TABLES = {
    CustomersImport: ("customers", "customer_attributes", "customer_lists", "consents"),
    EventsImport: ("customers", "events", "event_items"),
    ExperimentImport: ("customers", "enrolments", "outcomes"),
    CostsImport: ("costs",),
    TouchesImport: ("touches",),
    ProductsImport: ("products",),
    StockImport: ("products",),
    NumbersImport: ("listed_numbers",),
}
_TOTALS = ("created", "updated", "unchanged", "events")


def import_file(
    store: Store,
    definitions: Definitions,
    mapping: Import,
    path: Path,
    *,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    again: bool = False,
    data_dir: Path | None = None,
    limits: Limits | None = None,
    actor: str = "tidings import",
    encoding: str | None = None,
    sheet: str | None = None,
    lists: Lists | None = None,
) -> ImportResult:
    """Import a CSV, CSV.gz or XLSX under a mapping and return what that did.

    `encoding` names that of a text (otherwise it is found out and told), `sheet` that of a workbook. `lists` puts the
    customers of the file into a listed segment, or takes them out of one.

    The same file under the same definitions is imported once: afterwards it changes nothing (`again` reads it anew,
    which is harmless too). One that was interrupted or killed goes on behind its last chunk. `stop` is asked
    every thousand rows; when it says True the rows read so far are stored and the import can be taken up. Rows
    that cannot be taken go to `<file>.rejects.csv` beside the file, or into `data_dir`/rejects where that folder cannot be
    written to. Raises TidingsError in words when the file is no CSV, lacks a column or is cut off; what was stored
    until then stays, and importing the repaired file changes nothing twice.
    """
    identity = fingerprint(
        path, *_about(definitions, mapping), *filter(None, (encoding, sheet, str(lists or "")))
    )
    layout = layout_of(mapping, path)
    opened = partial(
        open_rows,
        path,
        limits,
        encoding=encoding or layout.encoding,
        sheet=sheet,
        formats=formats_of(mapping),
        header_line=layout.header,
    )
    with ExitStack() as stack:
        stack.enter_context(rarely_collecting())
        rows: Table = stack.enter_context(opened())
        require_columns(
            rows.header, columns_of(mapping, layout), file=path.name, mapping=mapping.path or mapping.id
        )
        entry = ledger.begin(store, mapping.id, str(path), identity, again=again)
        if entry.finished:
            return _result(
                store, definitions, mapping, path, entry.counted, already=True, read_as=rows.read_as
            )
        resumed = entry.rows_done or None
        if isinstance(mapping, LAID_OUT):
            rows = body_of(rows, layout)
        rejects = Rejects(path, rows.header, data_dir)
        stack.callback(rejects.close)
        job = Job(store, definitions, entry, rows, rejects, _TABLES[type(mapping)], progress, stop)
        try:
            if isinstance(mapping, LAID_OUT):
                check_totals(mapping, layout, opened, path.name)
                ended = run_laid_out(job, mapping, summed=layout.total is not None)
            else:
                ended = _run(job, mapping, identity, lists)
        except ledger.ImportedElsewhere:
            rejects.discard()
            raise
        except BaseException:
            _end(job, "interrupted", mapping, actor)
            raise
        counted = _end(job, "finished" if ended else "interrupted", mapping, actor)
        rejects.close()
        return _result(
            store,
            definitions,
            mapping,
            path,
            counted,
            resumed_from=resumed,
            interrupted=not ended,
            rejects_path=rejects.path,
            rejects_moved=rejects.moved,
            read_as=rows.read_as,
        )


def _run(
    job: Job, mapping: CustomersImport | EventsImport | ExperimentImport, identity: str, lists: Lists | None
) -> bool:
    definitions, places = job.definitions, job.places()
    skip = any_row_test(mapping.skip, places)
    if isinstance(mapping, CustomersImport):
        read = CustomerRows(mapping, definitions, places)
        store = CustomerStore(mapping, definitions, read.slots)
        write = listing(store, lists) if lists else store
        return store_items(job, parsed_together(job, read, skip, read.many), write)
    with Ordinals() as met:
        if isinstance(mapping, ExperimentImport):
            people = ExperimentRows(mapping, definitions, places, met)
            test = ExperimentStore(mapping, definitions, people.metrics, identity)
            ended = store_items(
                job, parsed(job, people, skip), test, size=max(100, 1000 // (3 + len(people.metrics)))
            )
            if ended:
                with job.store.durable("import") as connection:
                    test.finish(connection, to_micros(job.store.clock.now()))
            return ended
        events = EventRows(mapping, definitions, job, met)
        keep = EventStore(definitions, mapping.id)
        if mapping.order is None:
            return store_items(job, parsed(job, events, skip), keep)
        with Groups(LINE_WIDTH) as groups:
            lines = (line for _, line in parsed(job, events.line, skip) if line is not None)
            total = groups.fill(lines)
            return not job.stopped and store_items(job, events.orders(groups), keep, size=1000, total=total)


def _end(job: Job, state: str, mapping: Import, actor: str) -> dict[str, Any]:
    """Write the end into the ledger, and a finished import into the audit trail; return everything counted."""
    counted: dict[str, Any] = {
        **job.kept,
        **{name: job.seen[name] for name in (*SEEN, "unnamed")},
        **job.answer,
    }
    counted["rejects"] = [[*what, rows] for what, rows in job.rejects.counts.most_common()]
    counted["lost"] = {currency: to_minor(value, currency) for currency, value in job.lost.items()}
    now = to_micros(job.store.clock.now())
    with job.store.durable("import") as connection:
        job.entry.end(connection, state, counted, now)
        if state == "finished":
            detail = {"file": job.entry.file, "rows": job.seen["rows"], **job.kept}
            audit.append(connection, now, actor, "import", mapping.id, detail)
    if state == "finished" and job.kept:
        # What comes next, a segment or a plan, must not be planned for the tables as they were before.
        analyse(job.store, *job.tables)
    return counted


def _result(
    store: Store, definitions: Definitions, mapping: Import, path: Path, counted: dict[str, Any], **more: Any
) -> ImportResult:
    rejects = tuple(Rejected(*one) for one in counted.get("rejects", ()))
    named = {name: counted.get(name, 0) for name in (*SEEN, *_TOTALS)}
    details = {
        name: count
        for name, count in counted.items()
        # What costs count beside their money is in their answer.
        if name not in named and isinstance(count, int) and count and " " not in name
    }
    about_people = not isinstance(mapping, LAID_OUT)
    with store.read() as connection:
        reached = reach(connection, definitions, now=to_micros(store.clock.now())) if about_people else ()
    return ImportResult(
        mapping=mapping.id,
        kind=_KINDS[type(mapping)],
        file=str(path),
        **named,
        rejected=sum(one.rows for one in rejects),
        rejects=rejects,
        no_customer_value=counted.get("lost", {}),
        details=details,
        reach=reached,
        missing_columns=missing_columns(mapping, definitions) if about_people else (),
        costs=from_json(counted["costs"]) if isinstance(counted.get("costs"), dict) else None,
        **more,
    )


def _about(definitions: Definitions, mapping: Import) -> tuple[str, ...]:
    """Return everything beside the file that decides how its rows are read."""
    workspace = definitions.workspace
    kinds = sorted((name, channel.kind) for name, channel in definitions.channels.items())
    rules = (workspace.zone, workspace.currency, workspace.country, workspace.salt, kinds)
    about = (repr(mapping), repr(definitions.attributes), repr(definitions.events), repr(rules))
    if isinstance(mapping, CostsImport):
        # What a label means depends on which campaigns there are.
        return *about, repr(sorted(definitions.campaigns.keys() | definitions.flows.keys()))
    return about
