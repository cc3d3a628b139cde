"""What no value of any customer can do: break the MIME structure, add a header, add a tag, change the words."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from support.messages import EXACT_HEADERS, URLS, bodies, compiled, parsed, recipient, rich, sources
from tidings.templates.email import RenderError
from tidings.templates.values import _IN_HEADER, _SUSPECT


class _Skeleton(HTMLParser):
    """The tags and attribute names of a page, without any text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[tuple[str, ...]] = []
        self.words = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.seen.append(("/" + tag,))

    def handle_comment(self, data: str) -> None:
        self.seen.append(("comment",))

    def handle_data(self, data: str) -> None:
        self.words += data


RICH_MESSAGE = rich()
EXPECTED = _Skeleton(
    bodies(RICH_MESSAGE.fill(recipient(full_name="Anna", interests=["a", "b"]), URLS))[1]
).seen
HOSTILE = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="\r\n\0<>\"'&;=%{}#/\\ \u2028\u202e\ufdd0\ufdd1\ue000a-b:?.@,", max_size=60),
    st.sampled_from(
        [
            '"><script>alert(1)</script>',
            "' onmouseover='x",
            "--=_t\r\nContent-Type: text/html",
            "\ufdd00\ufdd0",
            "{{ 7 }}",
            "=?utf-8?q?x?=",
            "\ud83d",
        ]
    ),
)


@settings(max_examples=500, deadline=None)
@given(HOSTILE, st.lists(HOSTILE, min_size=2, max_size=2))
def test_no_value_breaks_the_mime_structure_the_headers_or_the_html(name: str, interests: list[str]) -> None:
    try:
        content = RICH_MESSAGE.fill(recipient(full_name=name, interests=interests), URLS)
    except RenderError as refused:
        assert refused.field in ("full_name", "subject")
        return
    assert content.isascii()
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    message = parsed(content)
    assert list(message.keys()) == EXACT_HEADERS
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    page = _Skeleton(bodies(content)[1])
    assert page.seen == EXPECTED
    assert "\ufdd0" not in page.words
    if (
        name
        and name.isprintable()
        and not set(name) & set("\ufdd0\ufdd1\u00ad")
        and name.strip() == name
        and "  " not in name
    ):
        assert name in page.words


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(blacklist_categories=("C", "Z")), min_size=1, max_size=300))
def test_any_subject_reads_back_as_written(subject: str) -> None:
    message = parsed(
        compiled(sources(subject="{{ words }}"), texts={"words": "{{ full_name }}"}).fill(
            recipient(full_name=subject), URLS
        )
    )
    assert message["Subject"] == subject


def test_no_sign_that_is_dropped_or_refused_is_printable() -> None:
    printable = "".join(sign for sign in map(chr, range(0x110000)) if sign.isprintable())
    assert _SUSPECT.search(printable) is None
    assert _IN_HEADER.search(printable) is None


def test_signs_that_do_not_show_are_dropped_from_texts_and_from_entries_of_lists() -> None:
    odd = "An\u202ena\x01 \ufdd00\ufdd0\u00ad!"
    body = "{{ full_name }}{% for one in interests %}, {{ one }}{% endfor %}"
    message = compiled(sources(html=f"<p>{body}</p>", text=body, subject="Hello"))
    for part in bodies(message.fill(recipient(full_name=odd, interests=[odd, "plain"]), URLS)):
        assert part is not None
        assert "Anna 0!, Anna 0!, plain" in part
