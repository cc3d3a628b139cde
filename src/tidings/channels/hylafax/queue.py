"""What the queues of HylaFAX say about messages."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tidings.channels.fax_results import hylafax_result
from tidings.channels.hylafax.dialogue import Job
from tidings.channels.protocol import ChannelEvent, Outstanding, Receipt, ReceiptKind
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.money import price_of


def receipts(jobs: Sequence[Job], outstanding: Sequence[Outstanding], channel: Channel) -> list[ChannelEvent]:
    """Return one receipt for each message of which a job is in a queue; a message without one gets none.

    Found by our reference in the tag of the job, else by the number of the job with the same tag or none.
    """
    by_tag = {job.tag: job for job in jobs if job.tag}
    by_number = {job.number: job for job in jobs if not job.tag}
    found: list[ChannelEvent] = []
    for one in outstanding:
        job = by_tag.get(one.reference or f"m{one.message_id}") or by_number.get(one.provider_ref)
        if job is not None:
            found.append(_receipt(job, one, channel))
    return found


def _receipt(job: Job, one: Outstanding, channel: Channel) -> Receipt:
    dialled = f"{job.dials} call{'' if job.dials == 1 else 's'}"
    # Job numbers start again when a spool is made anew; with the tag the pair is unique.
    event = f"{job.tag or one.provider_ref}/{job.number}/{job.state if job.done else 'q'}/{job.dials}"
    raw = {"state": job.state, "pages": job.pages, "dials": job.dials, "status": job.status}
    if job.done and job.state == "D":
        cost, currency = cost_of(job.pages, channel)
        return Receipt(
            event, ReceiptKind.DELIVERED, reference=one.reference, provider_ref=job.number, code="done",
            detail=f"{job.pages} page{'' if job.pages == 1 else 's'}, {dialled}", units=job.pages or None,
            cost=cost if job.pages else None, currency=currency if job.pages else "", raw=raw,
        )  # fmt: skip
    if job.done:
        result = hylafax_result(job.status)
        return Receipt(
            event, ReceiptKind.BOUNCED, reference=one.reference, provider_ref=job.number, scope=result.scope,
            permanent=result.permanent, code="failed", units=job.pages or None,
            detail=f"{job.status or result.words}, {dialled}", raw=raw,
        )  # fmt: skip
    if job.status and job.dials:
        return Receipt(
            event, ReceiptKind.DEFERRED, reference=one.reference, provider_ref=job.number, code="retry",
            detail=f"{job.status}, {dialled}", raw=raw,
        )  # fmt: skip
    return Receipt(
        event, ReceiptKind.QUEUED, reference=one.reference, provider_ref=job.number, code=job.state, raw=raw
    )


def cost_of(pages: int, channel: Channel) -> tuple[Decimal | None, str]:
    """Return what pages cost by the channel's price, in major units, and its currency; None where there is no price."""
    if channel.cost is None:
        return None, ""
    each = price_of(channel.cost.millionths, channel.cost.currency)
    return (each * pages if channel.cost_unit == "page" else each), channel.cost.currency
