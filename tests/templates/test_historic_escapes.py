"""Three decades of template injection, played against every place of a message: nothing of a customer is touched.

Sources of the kinds: CVE-2016-10745 (str.format), CVE-2019-8341, CVE-2019-10906 (format_map), CVE-2024-22195 (xmlattr),
CVE-2024-34064, CVE-2024-56201 (file name), CVE-2024-56326 (stored format), CVE-2025-27516 (|attr), CVE-2025-49136
(environment variables), CVE-2023-22621 (templates of e-mails), and the published lists of payloads for Jinja2, Twig, Freemarker,
Velocity, ERB, Mako, Handlebars and Smarty.
"""

from __future__ import annotations

import time
from typing import Any, Self

import pytest
from jinja2 import TemplateError

from support.messages import URLS, VOCABULARY, compiled, recipient, sources
from tidings.templates import sandbox
from tidings.templates.email import CompiledEmail, RenderError
from tidings.templates.sources import TemplateErrors

# Names stand for attributes of the small vocabulary; `full_name` is the spy.
WALKS = [
    "{{ full_name.__class__ }}",
    "{{ full_name.__class__.__mro__ }}",
    "{{ full_name.__class__.__mro__[1].__subclasses__() }}",
    "{{ full_name.__class__.__base__.__subclasses__()[132].__init__.__globals__['sys'] }}",
    "{{ full_name.__init__.__globals__ }}",
    "{{ full_name.__dict__ }}",
    "{{ full_name.__reduce_ex__(2) }}",
    "{{ full_name.__module__ }}",
    "{{ full_name.__getattribute__('secret') }}",
    "{{ full_name.__html__() }}",
    "{{ full_name.secret }}",
    "{{ full_name.delete() }}",
    "{{ full_name['__class__'] }}",
    "{{ full_name['__cla' ~ 'ss__'] }}",
    "{{ full_name['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{{ full_name['\\u005f\\u005fclass\\u005f\\u005f'] }}",
    "{{ full_name[['__cla', 'ss__'] | join] }}",
    "{{ full_name[0] }}",
    "{{ full_name[::-1] }}",
    "{{ ().__class__.__bases__[0] }}",
    "{{ [].__class__ }}",
    "{{ {}.__class__ }}",
    "{{ ''.__class__.__mro__[2].__subclasses__()[40]('/etc/passwd').read() }}",
    "{{ 'x'.join.__self__ }}",
    "{{ (1).__class__ }}",
    "{{ true.__class__.mro() }}",
    "{{ none.__class__ }}",
    "{{ full_name.\uff3f\uff3fclass\uff3f\uff3f }}",
    "{{ \uff46ull_name.__class__ }}",
]
FILTERS = [
    "{{ full_name | attr('__class__') }}",
    "{{ full_name | attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ full_name | attr(['__', 'class', '__'] | join) }}",
    "{{ 'x' | attr('format') }}",
    "{{ interests | map(attribute='__class__') | join }}",
    "{{ interests | map('attr', '__class__') | join }}",
    "{{ interests | map('upper') | join }}",
    "{{ interests | selectattr('__class__') | first }}",
    "{{ interests | rejectattr('x', 'eq', 1) | first }}",
    "{{ interests | groupby('__class__') }}",
    "{{ interests | sort(attribute='__class__') | first }}",
    "{{ interests | unique(attribute='__class__') | first }}",
    "{{ interests | max(attribute='__class__') }}",
    "{{ interests | sum(attribute='__class__') }}",
    "{{ interests | batch(100000000) | first }}",
    "{{ interests | slice(100000000) | first }}",
    "{{ interests | tojson }}",
    "{{ full_name | pprint }}",
    "{{ full_name | safe }}",
    "{{ full_name | string }}",
    "{{ full_name | list }}",
    "{{ full_name | items }}",
    "{{ full_name | dictsort }}",
    "{{ {'onload=alert(1) x': full_name} | xmlattr }}",
    "{{ '%s' | format(full_name) }}",
    "{{ full_name | center(200000000) }}",
    "{{ full_name | indent(200000000) }}",
    "{{ full_name | wordwrap(1, wrapstring=full_name) }}",
    "{{ full_name | replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaa') }}",
    "{{ full_name | urlize(rel=full_name) }}",
    "{{ full_name | default(full_name.secret) }}",
    "{{ full_name | join(interests) }}",
    "{{ interests | join(**full_name) }}",
    "{{ full_name | upper(full_name()) }}",
]
FORMATS = [
    "{{ '{0.__class__}'.format(full_name) }}",
    "{{ '{0.secret}'.format(full_name) }}",
    "{{ '{x.__init__.__globals__}'.format_map({'x': full_name}) }}",
    "{{ '%(secret)s' % full_name }}",
    "{{ '%s' % full_name }}",
    "{{ 'x'.format.__call__(full_name) }}",
    "{% for f in interests %}{{ f.format(full_name) }}{% endfor %}",
]
GLOBALS = [
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ lipsum(n=100000) }}",
    "{{ cycler.__init__.__globals__.os.environ }}",
    "{{ cycler('a', 'b').next() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ joiner(',')() }}",
    "{{ namespace.__init__.__globals__ }}",
    "{% set ns = namespace(x=full_name) %}{{ ns.x.secret }}",
    "{{ dict(x=full_name) }}",
    "{{ range.__class__ }}",
    "{{ request.application.__globals__.__builtins__ }}",
    "{{ config.__class__.from_envvar.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ session }}",
    "{{ g.pop.__globals__ }}",
    "{{ settings.SECRET_KEY }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context.full_name }}",
    "{{ self.x() }}",
    "{{ super() }}",
    "{{ caller() }}",
    "{{ varargs }}",
    "{{ env 'DATABASE_URL' }}",
    "{{ environ['PATH'] }}",
    "{{ __import__('os').system('id') }}",
    "{{ open('/etc/passwd') }}",
    "{{ gettext('x') }}",
]
BOMBS = [
    "{{ 'a' * 1000000000 }}",
    "{{ full_name * 1000000000 }}",
    "{{ [full_name] * 1000000000 }}",
    "{{ 9 ** 9 ** 9 ** 9 }}",
    "{{ 1 // 0 }}",
    "{{ '%0300000000d' % 1 }}",
    "{{ range(1000000000) | join }}",
    "{% for x in range(99999) %}{% for y in range(99999) %}x{% endfor %}{% endfor %}",
    "{% for a in interests %}{% for b in interests %}{% for c in interests %}x{% endfor %}{% endfor %}{% endfor %}",
    "{% for x in interests recursive %}{{ loop(interests) }}{% endfor %}",
    "{% for x in full_name %}{{ x }}{% endfor %}",
    "{% for x in interests.__iter__() %}{{ x }}{% endfor %}",
    "{% for x in interests if x.__class__ %}{{ x }}{% endfor %}",
    "{% for x in [1, 2, 3] %}{{ x }}{% endfor %}",
    "{% for x in interests %}{{ loop.changed(x) }}{% endfor %}",
    "{% for x in interests %}{{ loop.previtem.__class__ }}{% endfor %}",
    "{% for x in interests %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "{% for x, y in interests %}{{ x }}{% endfor %}",
    "{% for full_name in interests %}{{ full_name }}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{{ " + "(" * 500 + "full_name" + ")" * 500 + " }}",
    "{{ " + "not " * 500 + "vip }}",
    "{% if vip %}" * 300 + "x" + "{% endif %}" * 300,
]
STATEMENTS = [
    "{% include '/etc/passwd' %}",
    "{% include full_name %}",
    "{% include ['a', 'b'] ignore missing %}",
    "{% extends 'base.html' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import system %}",
    "{% set x = full_name %}{{ x.secret }}",
    "{% set x %}{{ full_name }}{% endset %}",
    "{% with x = full_name %}{{ x.secret }}{% endwith %}",
    "{% call full_name() %}{% endcall %}",
    "{% filter upper %}{{ full_name }}{% endfilter %}",
    "{% filter attr('__class__') %}x{% endfilter %}",
    "{% autoescape false %}{{ full_name }}{% endautoescape %}",
    "{% block x scoped %}{{ full_name }}{% endblock %}",
    "{% do full_name.delete() %}",
    "{% debug %}",
    "{% trans %}x{% endtrans %}",
    "{% async for x in interests %}{% endfor %}",
    "{{ await full_name }}",
    "{{ full_name is callable }}",
    "{{ full_name is eq(full_name()) }}",
    "{{ full_name is filter('attr') }}",
    "{{ lambda x: x }}",
    "{{ full_name if full_name() else 1 }}",
    "{{ x := full_name }}",
]
OTHER_ENGINES = [
    "{{#with 'constructor'}}{{lookup this}}{{/with}}",
    "{{_self.env.registerUndefinedFilterCallback('exec')}}",
    "{{['id']|filter('system')}}",
    "{{ app.request.server.all | join(',') }}",
    "{{constructor.constructor('return process')()}}",
    "{{= 7*7 }}",
    '{{printf "%s" .Env}}',
]
# Not Jinja at all: words, and they stay words.
WORDS = [
    "<%= 7*7 %>",
    "${7*7}",
    "#{7*7}",
    "${T(java.lang.Runtime).getRuntime().exec('id')}",
    "#set($x='')#set($rt=$x.class.forName('java.lang.Runtime'))",
    "{php}echo `id`;{/php}",
    "[#assign ex='freemarker.template.utility.Execute'?new()]",
    "*{7*7}",
    "@(7*7)",
    "%{7*7}",
]
CORPUS = [*WALKS, *FILTERS, *FORMATS, *GLOBALS, *BOMBS, *STATEMENTS, *OTHER_ENGINES]


class Spy:
    """Stands for a rich object in the place of a plain value; whatever is done to it is written down."""

    touched: list[str] = []  # noqa: RUF012

    def __getattribute__(self, name: str) -> Any:
        Spy.touched.append(name)
        return object.__getattribute__(self, name)

    def __call__(self, *given: Any, **named: Any) -> Self:
        Spy.touched.append("()")
        return self

    def __str__(self) -> str:
        Spy.touched.append("str")
        return "a secret"

    __repr__ = __format__ = __str__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        Spy.touched.append("==")
        return False

    def __bool__(self) -> bool:
        Spy.touched.append("bool")
        return True

    def __len__(self) -> int:
        Spy.touched.append("len")
        return 1

    def __iter__(self) -> Any:
        Spy.touched.append("iter")
        return iter(())

    def __getitem__(self, key: object) -> Self:
        Spy.touched.append("[]")
        return self

    def __hash__(self) -> int:
        Spy.touched.append("hash")
        return 1

    def __html__(self) -> str:
        Spy.touched.append("html")
        return "a secret"


@pytest.fixture(autouse=True)
def _nothing_touched_yet() -> None:
    Spy.touched.clear()


def test_the_corpus_has_no_repeats_and_reaches_every_kind() -> None:
    assert len(CORPUS) == len(set(CORPUS)) >= 60


def test_the_spy_sees_what_an_open_sandbox_would_do() -> None:
    """The proof below would prove nothing with a spy that sees nothing."""
    from jinja2.sandbox import SandboxedEnvironment

    page = SandboxedEnvironment().from_string("{{ full_name.secret }}{{ full_name() }}{{ full_name }}")
    page.render(full_name=Spy())
    assert {"secret", "()", "str"} <= set(Spy.touched)


PLACES = ["html", "text", "subject", "preheader", "say", "mjml", "attribute", "link"]


def put(payload: str, place: str) -> CompiledEmail:
    """Compile a message with a payload in one place of it."""
    if place == "say":
        return compiled(sources(html="{{ words }}", text="{{ words }}"), texts={"words": payload})
    if place == "mjml":
        body = f"<mj-section><mj-column><mj-text>{payload}</mj-text></mj-column></mj-section>"
        page = f'<mjml lang="en"><mj-head><mj-title>Hi</mj-title></mj-head><mj-body>{body}</mj-body></mjml>'
        return compiled({"email.en.mjml": page.encode()}, message_class="service")
    if place == "attribute":
        return compiled(sources(html=f'<p title="{payload}">x</p>'))
    if place == "link":
        return compiled(sources(html=f'<a href="https://shop.example/{payload}">x</a>'))
    return compiled(sources(**{place: payload}))


@pytest.mark.parametrize("place", PLACES)
def test_an_honest_hole_is_allowed_in_every_place(place: str) -> None:
    put("{{ full_name or 'friend' }}", place).fill(recipient(full_name="Anna"), URLS)


@pytest.mark.parametrize("payload", CORPUS)
@pytest.mark.parametrize("place", PLACES)
def test_a_payload_in_a_template_is_refused_before_it_meets_a_customer(payload: str, place: str) -> None:
    began = time.process_time()
    with pytest.raises(TemplateErrors) as raised:
        put(payload, place)
    assert all(problem.message and problem.at.line for problem in raised.value.problems)
    assert time.process_time() - began < 2
    assert Spy.touched == []


@pytest.mark.parametrize("kind", [one.name for one in VOCABULARY.attributes])
def test_an_object_in_the_place_of_a_value_is_refused_untouched(kind: str) -> None:
    use = {"interests": "{{ interests | join }}", "vip": "{% if vip %}x{% endif %}"}.get(
        kind, f"{{{{ {kind} }}}}"
    )
    message = compiled(sources(html=use, text=use))
    person = recipient(**{kind: Spy()})
    with pytest.raises(RenderError) as raised:
        message.fill(person, URLS)
    assert raised.value.field == kind
    assert Spy.touched == []


def test_an_object_inside_a_list_is_refused_untouched() -> None:
    message = compiled(sources(text="{{ interests | join }}"))
    with pytest.raises(RenderError):
        message.fill(recipient(interests=["garden", Spy()]), URLS)
    assert Spy.touched == []


@pytest.mark.parametrize("payload", [*CORPUS, *WORDS])
def test_a_payload_in_a_value_is_printed_as_it_is(payload: str) -> None:
    message = compiled(sources(html="<p>{{ full_name }}</p>", text="{{ full_name }} {{ salutation }}"))
    shown = message.show(recipient(full_name=payload), URLS)
    assert payload in shown.text


@pytest.mark.parametrize("payload", WORDS)
def test_the_syntax_of_other_engines_is_words(payload: str) -> None:
    message = compiled(sources(text=payload))
    assert payload in message.show(recipient(), URLS).text


@pytest.mark.parametrize("payload", [*WALKS, *GLOBALS])
def test_behind_the_first_wall_the_sandbox_gives_no_class_and_no_global(payload: str) -> None:
    """The second wall alone, without the allow-list: a plain value leads nowhere."""
    env = sandbox.environment("en", html=False)
    try:
        made = env.from_string(payload).render(full_name="Anna", interests=["a"], vip=True)
    except (TemplateError, TypeError, AttributeError):
        return
    assert "<class" not in made
    assert "object at" not in made
    assert "built-in" not in made


def test_the_environment_holds_nothing_but_the_listed_filters() -> None:
    env = sandbox.environment("en", html=True)
    assert env.globals == {}
    assert set(env.filters) == set(sandbox.FILTERS)
    assert set(env.tests) == set(sandbox.TESTS)
    assert env.extensions == {}
