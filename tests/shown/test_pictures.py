"""What a marketer sees: an e-mail, a phone bubble, a fax page as sent and as received, compared with pictures looked at.

`TIDINGS_WRITE_PICTURES=1 pytest tests/shown/test_pictures.py` writes them anew; then somebody has to look at them.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from support.components import missing
from support.shop import copy_workspace
from tidings.channels.protocol import ChannelUnavailable, Kind, Outgoing
from tidings.channels.t30 import T30Adapter
from tidings.channels.t30.library import library
from tidings.cli.gallery import Gallery, make_gallery
from tidings.clock import FixedClock
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.loader import load
from tidings.templates.fax import pages_png

LOOKED_AT = Path(__file__).with_name("pictures")
NAMES = (
    "email-en-warm.png",
    "sms-ru-warm.png",
    "sms-zh-TW-direct.png",
    "fax-zh-TW-warm-1.png",
    "fax-ru-direct-1.png",
)
# Rounding of anti-aliased edges may differ between processors; words that moved or vanished are far more.
MOST_DIFFERENT = 0.005
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    root = copy_workspace(tmp_path_factory.mktemp("pictures") / "shop")
    # The starter's own message with all its legs, whatever the tests' copy leaves of them.
    campaign = (ROOT / "campaigns" / "spring_winback.yaml").read_text(encoding="utf-8")
    (root / "campaigns" / "spring_winback.yaml").write_text(campaign, encoding="utf-8")
    clock = FixedClock(datetime(2027, 3, 2, 9, tzinfo=UTC))
    return make_gallery(load(root), "spring_winback", root / "gallery", clock=clock)


def different(one: Image.Image, other: Image.Image) -> float:
    """Return the share of pixels that differ visibly."""
    difference = ImageChops.difference(one.convert("L"), other.convert("L"))
    histogram = difference.histogram()
    return sum(histogram[48:]) / (one.width * one.height)


@pytest.mark.parametrize("name", NAMES)
def test_a_message_looks_as_it_looked_when_somebody_looked_at_it(gallery: Gallery, name: str) -> None:
    made = gallery.index.parent / name
    if os.environ.get("TIDINGS_WRITE_PICTURES") == "1":
        LOOKED_AT.mkdir(exist_ok=True)
        with Image.open(made) as picture:
            picture.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(
                LOOKED_AT / name, optimize=True
            )
    with Image.open(made) as now, Image.open(LOOKED_AT / name) as then:
        assert now.size == then.size
        share = different(now, then)
        assert share < MOST_DIFFERENT, f"{share:.2%} of {name} differ: look at {made}"


def test_a_blank_picture_or_other_words_would_be_noticed(gallery: Gallery) -> None:
    folder = gallery.index.parent
    with (
        Image.open(folder / "sms-ru-warm.png") as russian,
        Image.open(folder / "fax-zh-TW-warm-1.png") as fax,
    ):
        assert different(russian, Image.new("L", russian.size, 255)) > MOST_DIFFERENT
        with Image.open(folder / "fax-zh-TW-direct-1.png") as other:
            assert different(fax, other) > MOST_DIFFERENT


def test_the_fax_page_that_arrives_is_the_one_that_was_sent(gallery: Gallery, tmp_path: Path) -> None:
    try:
        library()
    except ChannelUnavailable as error:
        missing(error.message)
    sent = (gallery.index.parent / "fax-zh-TW-warm.tif").read_bytes()
    channel = Channel(
        "fax", "Fax", "channels/fax.yaml", "t30", kind="fax", sender="Nordic Garden <+4680000000>"
    )
    adapter = T30Adapter(channel, {"received": str(tmp_path / "received")})
    connection = adapter.connect()
    outcome = connection.submit(Outgoing(1, "+4680000000", "+46812345678", sent, reference="abc123-1"))
    connection.close()
    assert outcome.kind == Kind.ACCEPTED, outcome
    (arrived,) = sorted((tmp_path / "received").rglob("*.tif*"))
    before, after = pages_png(sent), pages_png(arrived.read_bytes())
    assert len(before) == len(after) >= 1
    for one, other in zip(before, after, strict=True):
        with Image.open(BytesIO(one)) as left, Image.open(BytesIO(other)) as right:
            assert left.size == right.size
            assert ImageChops.difference(left.convert("1"), right.convert("1")).getbbox() is None
