"""Import costs, touches, products, stock and numbers not to call: which reader feeds which store."""

from __future__ import annotations

from tidings.customers.cost_answer import cost_answer
from tidings.customers.cost_rows import COST_WIDTH, CostRows, cost_batches
from tidings.customers.cost_store import CostStore
from tidings.customers.do_not_call import NumberRows, NumberStore
from tidings.customers.driving import Job, parsed, store_batches, store_items
from tidings.customers.layouts import Body, LaidOut
from tidings.customers.matching import RowsTest, any_row_test
from tidings.customers.product_rows import ProductRows, stock_rows
from tidings.customers.product_store import ProductStore, StockStore
from tidings.customers.rejects import is_rejects
from tidings.customers.spill import Groups, Ordinals
from tidings.customers.touch_rows import TouchRows
from tidings.customers.touch_store import TouchStore
from tidings.definitions.kinds.importing import CostsImport, NumbersImport, ProductsImport, StockImport
from tidings.errors import TidingsError


def run_laid_out(job: Job, mapping: LaidOut, *, summed: bool) -> bool:
    """Read and store one file; return whether its end was reached. `summed`: its sums were checked, so no row may be missing."""
    definitions, places = job.definitions, job.places()
    skip = any_row_test(mapping.skip, places)
    if isinstance(mapping, CostsImport):
        return _run_costs(job, mapping, skip, summed=summed)
    if isinstance(mapping, ProductsImport):
        return store_items(job, parsed(job, ProductRows(mapping, definitions, places), skip), ProductStore())
    if isinstance(mapping, StockImport):
        return store_items(job, parsed(job, stock_rows(mapping, definitions, places), skip), StockStore())
    if isinstance(mapping, NumbersImport):
        return _run_numbers(job, mapping, skip)
    with Ordinals() as met:
        touches = TouchRows(mapping, definitions, places, met)
        keep = TouchStore(mapping.id, job.entry.id, touches.currency)
        return store_items(job, parsed(job, touches, skip), keep, size=1000)


def _run_numbers(job: Job, mapping: NumbersImport, skip: RowsTest | None) -> bool:
    """Store a register; what stood in the list before and does not stand in this one is lifted at its end."""
    read = NumberRows(mapping, job.definitions, job.places())
    keep = NumberStore(mapping.id, job.entry.id)
    if not store_items(job, parsed(job, read, skip), keep):
        return False
    # Repaired rows alone are a part of a list, and say nothing of the others.
    if not is_rejects(job.rows.header):
        job.kept.update(keep.lift_others(job.store, read=job.kept["numbers"] + job.kept["numbers_known"]))
    return True


def _run_costs(job: Job, mapping: CostsImport, skip: RowsTest | None, *, summed: bool) -> bool:
    """Read all of the file before any of it is stored: what is stored are whole days."""
    assert isinstance(job.rows, Body)
    read = CostRows(mapping, job.definitions, job.places(), job.rows)
    with Groups(COST_WIDTH) as groups:
        total = groups.fill(row for _, row in parsed(job, read, skip) if row is not None)
        if job.stopped:
            return False
        if summed and job.rejects.total:
            raise TidingsError(
                f"{job.rejects.total:,} rows cannot be read, so that what is kept would not be the sum of the file",
                what_to_do=f"Nothing was imported. {job.rejects.path or 'The reasons'} says why: repair them in the file itself.",
            )
        adding = is_rejects(job.rows.header)
        keep = CostStore(mapping.id, job.entry.id, read.currency, adding=adding)
        ended = store_batches(job, cost_batches(groups), keep, total=total)
    job.answer = {"costs": cost_answer(read, job.kept).as_stored()}
    return ended
