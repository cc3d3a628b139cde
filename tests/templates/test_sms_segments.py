"""Segments are counted as carriers count them, and no cut tears what a reader sees as one sign."""

from __future__ import annotations

import gsm0338
import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from tidings.templates.sms.segments import JOINED, SINGLE, Encoding, fits_gsm, segment
from tidings.templates.sms.typography import PLAIN, plainly

CODEC = gsm0338.Codec()
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
FLAG = "\U0001f1f8\U0001f1ea"
SIGNS = st.one_of(
    st.sampled_from("abc @£èΩ\n{}[]€^|~\\"),
    st.sampled_from(
        [FAMILY, FLAG, "\U0001f1f8", "❤\ufe0f", "👍🏽", "e\u0301", "각", "ᄀ", "ᅡ", "ᆨ", "क\u094dष", "\u0600"]
    ),
    st.sampled_from(["新", "年", "ж", "’", "\r\n", "\r", "\u200d", "ำ", "\U000e0067", "🏴"]),
    st.characters(exclude_categories=["Cs"]),
)
TEXTS = st.lists(SIGNS, max_size=220).map("".join)
GSM_TEXTS = st.text(
    [chr(code) for code in range(0x3000) if chr(code) != "\x1b" and fits_gsm(chr(code))], max_size=500
)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _septets(text: str) -> int:
    return len(CODEC.encode(text)[0])


@pytest.mark.parametrize(
    ("text", "encoding", "units", "count"),
    [
        ("", Encoding.GSM7, 0, 1),
        ("a" * 160, Encoding.GSM7, 160, 1),
        ("a" * 161, Encoding.GSM7, 161, 2),
        ("a" * 306, Encoding.GSM7, 306, 2),
        ("a" * 307, Encoding.GSM7, 307, 3),
        ("€" * 80, Encoding.GSM7, 160, 1),
        ("€" * 81, Encoding.GSM7, 162, 2),
        ("€" + "a" * 159, Encoding.GSM7, 161, 2),
        ("€" + "a" * 158, Encoding.GSM7, 160, 1),
        # 153 is odd: an escape pair does not fit into the last septet, so each part carries 76 of them.
        ("€" * 153, Encoding.GSM7, 306, 3),
        ("新" * 70, Encoding.UCS2, 70, 1),
        ("新" * 71, Encoding.UCS2, 71, 2),
        ("新" * 134, Encoding.UCS2, 134, 2),
        ("新" * 135, Encoding.UCS2, 135, 3),
        ("😀" * 35, Encoding.UCS2, 70, 1),
        # 67 is odd: a surrogate pair does not fit into the last unit.
        ("😀" * 67, Encoding.UCS2, 134, 3),
        ("a" * 69 + "’", Encoding.UCS2, 70, 1),
        ("a" * 70 + "’", Encoding.UCS2, 71, 2),
        ("Здравствуйте", Encoding.UCS2, 12, 1),
    ],
)
def test_a_text_takes_as_many_segments_as_the_standard_says(
    text: str, encoding: Encoding, units: int, count: int
) -> None:
    segmented = segment(text)
    assert (segmented.encoding, segmented.units, segmented.count) == (encoding, units, count)


def test_the_signs_that_force_ucs2_are_named_once_in_order() -> None:
    assert segment("It’s “new” – it’s 5 €").offending == ("’", "“", "”", "–")


@given(TEXTS)
@example("a" * 66 + FAMILY + "b" * 66 + FLAG * 40)
@example("\U0001f1f8" + FLAG * 60)
def test_the_parts_are_the_text_within_the_limits_and_tear_no_cluster(text: str) -> None:
    segmented = segment(text)
    assert "".join(segmented.parts) == text
    measure = _septets if segmented.encoding == Encoding.GSM7 else _units
    assert segmented.units == measure(text)
    limit = SINGLE[segmented.encoding] if segmented.count == 1 else JOINED[segmented.encoding]
    assert all(part and measure(part) <= limit for part in segmented.parts if text)
    assert (segmented.count == 1) == (segmented.units <= SINGLE[segmented.encoding])
    ends = {0}
    for cluster in regex.findall(r"\X", text):
        if measure(cluster) > limit:
            return
        ends.add(max(ends) + len(cluster))
    place = 0
    for part in segmented.parts:
        place += len(part)
        assert place in ends, (part, place)


@given(GSM_TEXTS)
def test_a_text_of_the_alphabet_is_counted_as_the_codec_counts_it(text: str) -> None:
    segmented = segment(text)
    assert segmented.encoding == Encoding.GSM7 and segmented.offending == ()
    assert segmented.units == _septets(text)
    assert all(CODEC.decode(CODEC.encode(part)[0])[0] == part for part in segmented.parts)


@given(st.characters(exclude_categories=["Cs"]).filter(lambda sign: sign != "\x1b"))
def test_a_sign_is_in_the_alphabet_exactly_if_the_codec_knows_it(sign: str) -> None:
    try:
        CODEC.encode(sign)
    except UnicodeEncodeError:
        known = False
    else:
        known = True
    assert fits_gsm(sign) == known


CLUSTERS = [
    FAMILY,
    FLAG,
    "❤\ufe0f\u200d🔥",
    "👍🏽",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "e\u0301\u0323",
    "각",
    "क्षि",
    "\u0600\u0661",
    "1\ufe0f\u20e3",
]


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("before", range(50, 68))
def test_what_is_seen_as_one_sign_is_never_torn_wherever_it_stands(cluster: str, before: int) -> None:
    assert regex.fullmatch(r"\X", cluster)
    text = "ж" * before + cluster + "ж" * 30
    segmented = segment(text)
    assert segmented.count > 1
    assert sum(cluster in part for part in segmented.parts) == 1


def test_one_cluster_longer_than_a_segment_is_cut_within_the_limit_and_no_sign_is_lost() -> None:
    text = "a" + "\u0301" * 300
    segmented = segment(text)
    assert "".join(segmented.parts) == text
    assert max(map(_units, segmented.parts)) <= 67


def test_typographic_signs_are_written_plainly_where_that_alone_saves_the_alphabet() -> None:
    made = plainly("It’s “new” – now… 5\u00a0€")
    assert made.text == 'It\'s "new" - now... 5 €'
    assert made.replaced == ("’", "“", "”", "–", "…", "\u00a0")
    assert plainly("It’s für Łódź").text == "It’s für Łódź"
    assert plainly("Скидка — «всё»").replaced == ()
    assert plainly("as it was").replaced == ()


def test_every_plain_writing_is_in_the_alphabet_and_none_of_the_signs_is() -> None:
    assert all(fits_gsm(plain) and not fits_gsm(sign) for sign, plain in PLAIN.items())
