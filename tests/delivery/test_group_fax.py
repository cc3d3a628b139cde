"""One fax a dealer: 40 customers of an account become one message with a table of them, on as many pages as it takes."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image

from delivery.test_three_channels import FAX, RING, Carrier, people_with_everything, start
from support import components
from support.shop import copy_workspace
from support.stores import ATTRIBUTES
from tidings.channels.protocol import Capabilities, Form
from tidings.clock import FixedClock
from tidings.config.settings import load_settings
from tidings.delivery.running import deliver_run
from tidings.delivery.verify import verify
from tidings.store.database import Store
from tidings.store.tables import people, sending
from tidings.store.vocabulary import attributes_table

CAMPAIGN = """\
campaign: Orders of your customers
purpose: marketing
to: everybody
send: autumn
via: fax
unit: account
group: one fax a dealer
holdout: none
"""
ROWS = (
    "{% for one in group %}<tr><td>{{ loop.index }}</td><td>{{ one.full_name }}</td>"
    "<td>{{ one.lifetime_value or 'new' }}</td><td>{{ one.last_order_at }}</td></tr>\n{% endfor %}"
)
PAGE = (
    "<html><head><style>table, td {border: 0; padding: 10px}</style></head><body><h1>Your customers</h1>"
    '<div class="opt-out"><p>{{ opt_out_notice }}</p></div>'
    "<p>{{ group | length }} customers of yours ordered.</p><table>" + ROWS + "</table></body></html>\n"
)


def dealers(store: Store, sizes: dict[str, int]) -> None:
    """Put the customers of the store into accounts of these sizes; each has spent its own amount."""
    people_with_everything(store, sum(sizes.values()))
    owners = [account for account, size in sizes.items() for _ in range(size)]
    customers = people.customers
    with store.durable("test") as connection:
        ids = list(connection.execute(sa.select(customers.c.id).order_by(customers.c.id)).scalars())
        for number, (customer, account) in enumerate(zip(ids, owners, strict=True), 1):
            connection.execute(sa.update(customers).where(customers.c.id == customer).values(account=account))

            table = attributes_table(ATTRIBUTES)
            connection.execute(
                sa.update(table)
                .where(table.c.customer_id == customer)
                .values(full_name=f"Customer <{number}>", lifetime_value=number * 111_100)
            )


@pytest.fixture
def settings(tmp_path: Path):
    root = copy_workspace(
        tmp_path / "shop",
        campaigns__autumn=CAMPAIGN,
        channels__fax=FAX,
        segments__everybody="segment: Everybody\nwhere:\n  - last_order_at: known\n",
    )
    (root / "templates" / "autumn").mkdir()
    (root / "templates" / "autumn" / "fax.en.html").write_text(PAGE)
    return load_settings(root, "development", variables={})


def pages_of(tiff: bytes) -> list[Image.Image]:
    image = Image.open(BytesIO(tiff))
    found = []
    for number in range(image.n_frames):  # type: ignore[attr-defined]
        image.seek(number)
        found.append(image.convert("L"))
    return found


@cache
def words_on(tiff: bytes) -> str:
    """Read a fax back; on both databases it should be the very same one, and reading takes many seconds."""
    read = ""
    for sheet in pages_of(tiff):
        larger = BytesIO()
        picture = sheet.resize((sheet.width, sheet.height * (2 if sheet.height < 1_500 else 1)))
        picture.save(larger, "png")
        read += subprocess.run(
            ["tesseract", "stdin", "stdout", "--psm", "6"],
            input=larger.getvalue(),
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout.decode()
    return read


def test_forty_customers_of_a_dealer_are_one_fax_with_a_table(
    store: Store, clock: FixedClock, settings
) -> None:
    dealers(store, {"garden house": 40, "tulip & co": 3})
    run_id = start(store, settings, clock)
    carrier = Carrier(Capabilities(kind="fax", form=Form.PAGES))
    done = deliver_run(settings, store, run_id, clock=clock, ring=RING, adapters={"fax": carrier})
    assert (done.accepted, done.refused, done.state) == (2, 0, "finished")
    assert sorted(len(given) for given in carrier.given.values()) == [1, 1]
    big, small = sorted((given[0].payload for given in carrier.given.values()), key=len, reverse=True)
    sheets, few = pages_of(big), pages_of(small)
    assert len(few) == 1
    assert 2 <= len(sheets) <= 4
    with store.read() as connection:
        enrolled = connection.execute(sa.select(sa.func.count()).select_from(sending.enrolments)).scalar_one()
        messages = connection.execute(sa.select(sa.func.count()).select_from(sending.messages)).scalar_one()
    assert (enrolled, messages) == (43, 2)
    assert verify(store).broken == ()
    if shutil.which("tesseract") is None:
        components.missing("tesseract is not installed")
    read = words_on(big)
    assert "40 customers of yours" in read
    rows = [line for line in read.splitlines() if "Customer" in line and "€" in line]
    # Reading pictures of letters makes a mistake now and then; a row that is lost would be missing altogether.
    assert 36 <= len(rows) <= 40
    assert any("1,111.00" in line for line in rows)
    assert any("44,440.00" in line for line in rows)
