"""What a template may not do: the escapes of two decades refused at compile, with file and line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.messages import URLS, compiled, recipient, sources
from tidings.templates.email import RenderError
from tidings.templates.sources import TemplateErrors

# From published escapes of Jinja2 and other engines (CVE-2016-10745, 2019-8341, 2019-10906, 2024-56201, 2024-56326,
# 2025-27516, CVE-2025-49136 of listmonk, CVE-2023-22621 of Strapi), the usual lists of SSTI payloads, and resource bombs.
ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ full_name.__class__.__base__.__subclasses__() }}",
    "{{ full_name['__class__'] }}",
    "{{ full_name|attr('__class__') }}",
    "{{ full_name|attr('format') }}",
    "{{ '{0.__class__}'.format(full_name) }}",
    "{{ '{0.__class__}'.format_map({'0': full_name}) }}",
    "{{ ('%s' % full_name) }}",
    "{{ '%0300000000d' % 1 }}",
    "{{ 'a' * 1000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ 7 * 7 }}",
    "{{ 1 + 1 }}",
    "{{ full_name.upper() }}",
    "{{ full_name.center(200000000) }}",
    "{{ full_name|center(200000000) }}",
    "{{ range(1000000000) }}",
    "{% for x in range(100000) %}{{ x }}{% endfor %}",
    "{% for x in full_name %}{{ x }}{% endfor %}",
    "{% for x in interests recursive %}{{ loop(interests) }}{% endfor %}",
    "{% for x in interests %}{% for y in interests %}{% for z in interests %}.{% endfor %}{% endfor %}{% endfor %}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ lipsum() }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ config.items() }}",
    "{{ request.application.__globals__ }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ env('DATABASE_URL') }}",
    "{{ dict(a=1) }}",
    "{{ {'a': 1} }}",
    "{{ [1, 2]|map('string')|list }}",
    "{{ interests|map(attribute='__class__')|list }}",
    "{{ interests|selectattr('x') }}",
    "{{ interests|groupby('__class__') }}",
    "{{ full_name|xmlattr }}",
    "{{ full_name|safe }}",
    "{{ full_name|string|format(full_name) }}",
    "{{ full_name|replace('a', 'aaaaaaaaaa') }}",
    "{{ full_name|urlize }}",
    "{{ full_name|pprint }}",
    "{% include '/etc/passwd' %}",
    "{% extends full_name %}",
    "{% import 'x' as x %}",
    "{% from 'os' import popen %}",
    "{% macro x() %}{{ caller() }}{% endmacro %}",
    "{% call x() %}{% endcall %}",
    "{% set x = 1 %}",
    "{% set x %}y{% endset %}",
    "{% with x = 1 %}{{ x }}{% endwith %}",
    "{% block x %}{% endblock %}",
    "{% filter upper %}x{% endfilter %}",
    "{% autoescape false %}{{ full_name }}{% endautoescape %}",
    "{% raw %}{{ full_name }}{% endraw %}{% debug %}",
    "{% do full_name.append(1) %}",
    "{{ full_name is callable }}",
    "{{ full_name is sameas(1) }}",
    "{{ full_name[0:100] }}",
    "{{ loop.index }}",
    "{% for one in interests %}{{ loop.__class__ }}{% endfor %}",
    "{% for one in interests %}{{ loop.cycle('a') }}{% endfor %}",
    "{% for unsubscribe_url in interests %}{% endfor %}",
    "{% for _x in interests %}{% endfor %}",
    "{% for loop in interests %}{% endfor %}",
    "{% for a, b in interests %}{% endfor %}",
    "{{ " + "(" * 300 + "1" + ")" * 300 + " }}",
    "{{ not " * 1 + "not " * 200 + "vip }}",
    "{{ full_name|join(full_name) }}",
    "{{ full_name|default(full_name, boolean=True) }}",
    "{{ full_name|upper(*interests) }}",
    "{{ postal_address ~ '" + "x" * 3000 + "' }}",
    "{{ full_name if }}",
    "{{ ",
    "{% if vip %}",
]


def test_the_corpus_is_large_and_has_no_repeats() -> None:
    assert len(set(ESCAPES)) == len(ESCAPES) >= 60


@pytest.mark.parametrize("payload", ESCAPES)
@pytest.mark.parametrize("place", ["html", "text", "subject", "say"])
def test_an_escape_is_refused_at_compile_with_its_place(payload: str, place: str) -> None:
    with pytest.raises(TemplateErrors) as raised:
        if place == "say":
            compiled(sources(html="{{ words }}"), texts={"words": payload})
        else:
            compiled(sources(**{place: payload}))
    for problem in raised.value.problems:
        assert problem.at.path.startswith("templates/spring")
        assert problem.message


def test_a_customers_value_is_never_compiled() -> None:
    message = compiled(
        sources(html="<p>{{ full_name }}</p>", text="{{ full_name }}", subject="For {{ full_name }}")
    )
    for payload in (payload[:300] for payload in ESCAPES):
        shown = message.show(recipient(full_name=payload), URLS)
        assert shown.subject == f"For {payload}".strip()
        assert payload in shown.text


def test_the_place_of_an_unknown_attribute_is_exact_and_the_nearest_is_named() -> None:
    files = sources(html="<p>one</p>\n<p>two</p>\n  <p>{{ full_nam }}</p>")
    with pytest.raises(TemplateErrors) as raised:
        compiled(files)
    problem = raised.value.problems[0]
    assert (problem.code, problem.at.path, problem.at.line, problem.at.column, problem.at.length) == (
        "TPL12",
        "templates/spring/email.en.html",
        3,
        9,
        8,
    )
    assert problem.hint == 'did you mean "full_name"?'
    assert "  <p>{{ full_nam }}</p>" in problem.render()


def test_the_place_in_the_text_part_counts_the_header_lines() -> None:
    with pytest.raises(TemplateErrors) as raised:
        compiled(sources(text="one\ntwo {{ nobody_knows }}", preheader="short"))
    assert [(one.at.path, one.at.line, one.at.column) for one in raised.value.problems] == [
        ("templates/spring/email.en.txt", 5, 8)
    ]


def test_all_parts_are_read_before_the_problems_are_told() -> None:
    with pytest.raises(TemplateErrors) as raised:
        compiled(sources(html="{{ a_a }}", text="{{ b_b }}", subject="{{ c_c }}"))
    assert {one.message.split('"')[1] for one in raised.value.problems} == {"a_a", "b_b", "c_c"}


def test_what_is_nothing_for_everybody_is_said_with_its_file() -> None:
    with pytest.raises(TemplateErrors) as raised:
        compiled(sources(text="{{ not ([]|first ~ full_name) }}"))
    assert [(one.code, one.at.path) for one in raised.value.problems] == [
        ("TPL10", "templates/spring/email.en.txt")
    ]


def test_output_stops_at_the_cap() -> None:
    files = sources(
        html="{% for one in interests %}{% for two in interests %}{{ full_name }}{% endfor %}{% endfor %}"
    )
    message = compiled(files)
    people = recipient(full_name="x" * 1000, interests=[str(n) for n in range(100)])
    with pytest.raises(RenderError):
        message.show(people, URLS)
    with pytest.raises(RenderError) as raised:
        message.fill(people, URLS)
    assert raised.value.field == "html"
    assert "256 KB" in raised.value.reason
    with pytest.raises(RenderError):
        message.fill(recipient(full_name="x", interests=["a"] * 201), URLS)


def test_output_without_a_loop_has_the_same_cap() -> None:
    message = compiled(sources(html="<p>" + "{{ full_name }}\n" * 300 + "</p>"))
    with pytest.raises(RenderError) as raised:
        message.fill(recipient(full_name="x" * 900), URLS)
    assert (raised.value.field, "256 KB" in raised.value.reason) == ("html", True)
    assert message.fill(recipient(full_name="x" * 800), URLS)


_NAMES = [
    "full_name",
    "orders",
    "vip",
    "interests",
    "last_order_at",
    "lifetime_value",
    "nobody",
    "_x",
    "loop",
]
_EXPRESSION = st.recursive(
    st.one_of(
        st.sampled_from(_NAMES),
        st.integers(-9, 9).map(str),
        st.sampled_from(["'a'", '"b"', "none", "true", "[]", "{}", "()"]),
    ),
    lambda inner: st.one_of(
        st.tuples(
            inner, st.sampled_from(["+", "*", "**", "%", "~", "and", "or", "==", "<", "in"]), inner
        ).map(" ".join),
        st.tuples(
            inner,
            st.sampled_from(
                ["upper", "join", "length", "attr('x')", "first", "round", "default('x')", "money"]
            ),
        ).map("|".join),
        st.tuples(inner, st.sampled_from([".__class__", ".index", "[0]", "()", "(1)"])).map("".join),
        inner.map("({})".format),
        inner.map("not {}".format),
    ),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(_EXPRESSION)
def test_any_expression_is_refused_at_compile_or_renders_or_refuses_that_customer(expression: str) -> None:
    try:
        message = compiled(sources(text="{{ " + expression + " }}"))
    except TemplateErrors:
        return
    for given_values in ({"full_name": "Anna", "orders": 3, "interests": ["a"]}, {}):
        try:
            message.fill(recipient(**given_values), URLS)
        except RenderError:
            continue
