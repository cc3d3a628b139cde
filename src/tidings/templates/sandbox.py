"""What a template may do: an allow-list of syntax over plain values, checked once when a message is compiled.

Customer values are never compiled. There are no calls, no attributes but `loop.index` and its like, no
arithmetic, no assignment, no include, so the sandbox below is the second wall and not the first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.environment import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from tidings.definitions.kinds.offer import OFFER, OFFERED
from tidings.definitions.kinds.recommending import FIELDS, RECOMMENDED
from tidings.errors import Problem
from tidings.templates.chains import Others, others_in
from tidings.templates.dotted import dotted
from tidings.templates.formats import FILTERS, MAX_LITERAL, filters
from tidings.templates.sources import Text
from tidings.templates.values import MARK, MARK_URL, Missing, RenderError

TESTS = ("known", "unknown")
_LOOP = ("index", "first", "last", "length")
_TABLE = f'"{RECOMMENDED}" is a table of products'
_LOOP_OF_PRODUCTS = f"write {{% for one in {RECOMMENDED} %}} … {{% endfor %}}"
_MAX_DEPTH = 40
_MAX_LOOPS = 2

_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.For,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Neg,
    nodes.Concat,
    nodes.Filter,
    nodes.Test,
    nodes.Getattr,
    nodes.Tuple,
    nodes.List,
)
_REASONS: tuple[tuple[type[nodes.Node] | tuple[type[nodes.Node], ...], str], ...] = (
    (nodes.Call, "a template calls nothing"),
    ((nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport, nodes.Block), "a template stands alone"),
    ((nodes.Macro, nodes.CallBlock, nodes.FilterBlock), "a template defines nothing"),
    ((nodes.Assign, nodes.AssignBlock, nodes.With), "a template sets nothing"),
    (nodes.BinExpr, "a template does not calculate"),
    (nodes.Getitem, "a value has no parts to take out; for a list there is `| first` and {% for %}"),
)


class Refused(Exception):
    """Syntax outside the allow-list; becomes a problem with its place."""

    def __init__(self, line: int, word: str, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.line, self.word, self.code, self.message, self.hint = line, word, code, message, hint


def environment(locale: str, *, html: bool) -> ImmutableSandboxedEnvironment:
    """Return a sandboxed environment with the allowed filters, bound to a locale, and nothing else in reach."""
    made = ImmutableSandboxedEnvironment(
        autoescape=html,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        newline_sequence="\r\n",
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=0,
        auto_reload=False,
    )
    made.globals.clear()
    made.filters = dict(filters(locale))
    made.tests = {
        "known": lambda value: not isinstance(value, Missing),
        "unknown": lambda value: isinstance(value, Missing),
    }
    return made


class Checker(NodeTransformer):
    """Walks a syntax tree: refuses what is not allowed, puts in the texts of `say`, prints values by their type.

    `types` gives each name's type (an attribute type, or `text` for what the engine provides); `texts` the
    words of the variant. `fields` are the values of one member of `group`, where the message has one; `members` collects
    those that are read. `used` collects the names read, `deepest` says how many loops stand in one another, `others`
    which values stand in for one another and the words at the end of each such row.
    """

    def __init__(
        self,
        types: Mapping[str, str],
        currencies: Mapping[str, str],
        texts: Mapping[str, list[nodes.Expr]],
        fields: Collection[str] = (),
    ) -> None:
        self.types = dict(types)
        self.currencies = currencies
        self.texts = texts
        self.fields = frozenset(fields)
        self.used: set[str] = set()
        self.members: set[str] = set()
        self.deepest = 0
        self.others: set[Others] = set()
        # Nobody reads what stands in the address of a link.
        self._linked = False
        self._depth = 0
        self._loops: list[str] = []

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        """Check one node and everything below it."""
        if not isinstance(node, _ALLOWED):
            sentence = next((text for kind, text in _REASONS if isinstance(node, kind)), "")
            name = type(node).__name__.lower()
            raise Refused(node.lineno, "", "TPL10", sentence or f"a template has no {name}")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise Refused(node.lineno, "", "TPL10", f"is nested deeper than {_MAX_DEPTH} levels")
        try:
            return super().visit(node, *args, **kwargs)
        finally:
            self._depth -= 1

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802
        """Print each value as its type reads; put in the words of the variant, holes and all."""
        written: list[nodes.Expr] = []
        for one in node.nodes:
            self._linked = _in_link(one, self._linked)
            if not self._linked:
                self.others |= set(others_in(one, {*self.types} - {*self._loops}))
            if isinstance(one, nodes.Name) and one.name in self.texts:
                written += self.texts[one.name]
                continue
            self._printable(one)
            written.append(self._shown(self.visit(one)))
        node.nodes = written
        return node

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802
        """Allow a name of the vocabulary; a text of `say` becomes a constant."""
        name = node.name
        if node.ctx != "load":
            raise Refused(node.lineno, name, "TPL10", "a template sets nothing")
        if name in self.texts and name not in self._loops:
            words = self.texts[name]
            if len(words) == 1 and isinstance(words[0], nodes.TemplateData | nodes.Const):
                value = words[0].data if isinstance(words[0], nodes.TemplateData) else words[0].value
                return nodes.Const(value, lineno=node.lineno)
            raise Refused(
                node.lineno,
                name,
                "TPL11",
                f'"{name}" has a hole {{{{ … }}}} of its own, so it stands alone as {{{{ {name} }}}}',
            )
        if name not in self.types:
            near = get_close_matches(name, [*self.types, *self.texts], n=1, cutoff=0.6)
            hint = f'did you mean "{near[0]}"?' if near else "attributes stand in config/attributes.yaml"
            if name == RECOMMENDED:
                hint = "products are recommended in messages, not here"
            if name == "group":
                hint = "write `group: one message an account` in the campaign"
            raise Refused(node.lineno, name, "TPL12", f'there is no attribute or text "{name}"', hint)
        if self.types[name] == "member":
            self._no_text(node, name, f'"{name}" is a customer', f"write {name}.key")
        if self.types[name] == "product":
            self._no_text(node, name, f'"{name}" is a product', f"write {name}.name")
        self.used.add(name)
        return node

    def visit_Const(self, node: nodes.Const) -> nodes.Node:  # noqa: N802
        """Allow plain constants of a sane length."""
        if isinstance(node.value, str) and len(node.value) > MAX_LITERAL:
            raise Refused(node.lineno, "", "TPL10", f"a text in quotes takes {MAX_LITERAL} signs")
        return node

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802
        """Allow `loop.index`, `loop.first`, `loop.last`, `loop.length`, and the values of a member of the group."""
        if self._of_member(node):
            assert isinstance(node.node, nodes.Name)
            if node.attr not in self.fields:
                near = get_close_matches(node.attr, self.fields, n=1, cutoff=0.6)
                hint = f'did you mean "{near[0]}"?' if near else "attributes stand in config/attributes.yaml"
                raise Refused(
                    node.lineno, node.attr, "TPL12", f'there is no attribute "{node.attr[:40]}"', hint
                )
            self.members.add(node.attr)
            # By item and never by attribute: a value called `items` is a value.
            return nodes.Getitem(node.node, nodes.Const(node.attr), "load", lineno=node.lineno)
        if self._of_product(node.node):
            if node.attr not in FIELDS:
                near = get_close_matches(node.attr, FIELDS, n=1, cutoff=0.6)
                hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(FIELDS)}"
                raise Refused(node.lineno, node.attr, "TPL12", f'a product has no "{node.attr[:40]}"', hint)
            self.used.add(f"{RECOMMENDED}.{node.attr}")
            return nodes.Getitem(node.node, nodes.Const(node.attr), "load", lineno=node.lineno)
        if (
            isinstance(node.node, nodes.Name)
            and node.node.name == "loop"
            and self._loops
            and node.attr in _LOOP
        ):
            return node
        hint = ""
        if isinstance(node.node, nodes.Name) and node.node.name == OFFER:
            there = [one.removeprefix(f"{OFFER}_") for one in OFFERED if one in self.types]
            hint = f"there is offer.{', offer.'.join(there)}" if there else "write an `offer:` beside `send`"
        raise Refused(node.lineno, node.attr, "TPL10", f"a value has no .{node.attr[:40]}", hint)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        """Allow a loop over a list attribute or the group, two deep at most."""
        source, target = node.iter, node.target
        kind = self._kind(source)
        listed = kind in ("list", "group", "products")
        if isinstance(source, nodes.Name) and source.name not in self.types:
            self.visit(source)
        if not listed or not isinstance(target, nodes.Name) or node.recursive:
            raise Refused(
                node.lineno,
                "for",
                "TPL10",
                "a loop is {% for one in ATTRIBUTE %} over a list attribute"
                + (", or {% for one in group %}" if "group" in self.types else ""),
            )
        if (
            target.name.startswith("_")
            or target.name in self.types
            or target.name in self.texts
            or target.name == "loop"
        ):
            raise Refused(node.lineno, target.name, "TPL10", f'"{target.name}" is taken; use another word')
        if len(self._loops) >= _MAX_LOOPS:
            raise Refused(node.lineno, "for", "TPL10", "loops stand at most two deep")
        node.iter = self.visit(source)
        self._loops.append(target.name)
        self.deepest = max(self.deepest, len(self._loops))
        self.types[target.name] = {"group": "member", "products": "product"}.get(kind, "text")
        try:
            if node.test is not None:
                node.test = self.visit(node.test)
            node.body = [self.visit(one) for one in node.body]
            node.else_ = [self.visit(one) for one in node.else_]
        finally:
            self._loops.pop()
            del self.types[target.name]
            self.used.discard(target.name)
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        """Allow a filter of the list with constant arguments; money learns the currency of its attribute."""
        if node.name not in FILTERS or node.node is None:
            near = get_close_matches(node.name, FILTERS, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(FILTERS)}"
            raise Refused(node.lineno, node.name, "TPL13", f'there is no filter "{node.name}"', hint)
        most = FILTERS[node.name][0]
        plain = all(isinstance(one, nodes.Const) for one in node.args)
        if node.kwargs or node.dyn_args or node.dyn_kwargs or len(node.args) > most or not plain:
            raise Refused(
                node.lineno,
                node.name,
                "TPL10",
                f"| {node.name} takes {most or 'no'} argument{'s' if most > 1 else ''} in plain words",
            )
        if self._kind(node.node) == "group" and node.name != "length":
            self._no_text(node.node, "group", '"group" is a table of customers')
        if self._kind(node.node) == "products" and node.name != "length":
            self._no_text(node.node, RECOMMENDED, _TABLE, _LOOP_OF_PRODUCTS)
        if node.name == "money" and not node.args:
            currency = self.currencies.get(self._attribute(node.node))
            if currency is None:
                raise Refused(node.lineno, "money", "TPL10", '| money needs a currency here: money("EUR")')
            node.args = [nodes.Const(currency, lineno=node.lineno)]
        return self.generic_visit(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        """Allow `is known` and `is unknown`."""
        if node.name not in TESTS or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise Refused(
                node.lineno,
                node.name,
                "TPL10",
                f'a template has no "is {node.name}"',
                "use `is known`",
            )
        return self.generic_visit(node)

    def _of_member(self, node: nodes.Node) -> bool:
        """Tell whether a node is a value of a member of the group: `one.full_name`."""
        return (
            isinstance(node, nodes.Getattr)
            and isinstance(node.node, nodes.Name)
            and self.types.get(node.node.name) == "member"
        )

    def _of_product(self, node: nodes.Node) -> bool:
        """Tell whether a node is a product of a loop over those recommended."""
        return isinstance(node, nodes.Name) and self.types.get(node.name) == "product"

    def _attribute(self, node: nodes.Node) -> str:
        """Return the attribute that a node reads, of the customer, of a member or of a product; the empty text for anything else."""
        if isinstance(node, nodes.Name):
            return node.name
        if isinstance(node, nodes.Getattr) and self._of_product(node.node):
            return f"{RECOMMENDED}.{node.attr}"
        if isinstance(node, nodes.Getitem) and self._of_product(node.node):
            return f"{RECOMMENDED}.{node.arg.value}"  # type: ignore[attr-defined]
        if isinstance(node, nodes.Getattr) and self._of_member(node):
            return node.attr
        # Nothing else takes an item out: `visit_Getattr` made it.
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            return str(node.arg.value)
        return ""

    def _kind(self, node: nodes.Node) -> str:
        return self.types.get(self._attribute(node), "")

    def _no_text(self, node: nodes.Node, word: str, message: str, hint: str = "") -> NoReturn:
        loop = "write {% for one in group %} … {% endfor %}"
        raise Refused(node.lineno, word, "TPL11", message, hint or loop)

    def _printable(self, node: nodes.Node) -> None:
        kind, name = self._kind(node), self._attribute(node)
        written = f"{node.node.name}.{name}" if self._of_member(node) else name  # type: ignore[attr-defined]
        if kind == "list":
            self._no_text(node, name, f'"{written}" is a list', f"write {written} | join")
        if kind == "flag":
            hint = f"write {{% if {written} %}} … {{% endif %}}"
            self._no_text(node, name, f'"{written}" is yes or no, not a text', hint)
        if kind == "group":
            self._no_text(node, name, '"group" is a table of customers')
        if kind == "products":
            self._no_text(node, name, _TABLE, _LOOP_OF_PRODUCTS)

    def _shown(self, node: Any) -> Any:
        """Wrap bare names in the filter of their type, down through `or` and if-else."""
        if isinstance(node, nodes.Name | nodes.Getitem):
            kind = {"instant": "date"}.get(self._kind(node), self._kind(node))
            if kind not in ("money", "date", "number"):
                return node
            currency = [nodes.Const(self.currencies[self._attribute(node)])] if kind == "money" else []
            return nodes.Filter(node, kind, currency, [], None, None, lineno=node.lineno)
        if isinstance(node, nodes.Or | nodes.And):
            node.left, node.right = self._shown(node.left), self._shown(node.right)
        elif isinstance(node, nodes.CondExpr):
            node.expr1 = self._shown(node.expr1)
            node.expr2 = self._shown(node.expr2) if node.expr2 is not None else None
        return node


def _in_link(node: nodes.Node, before: bool) -> bool:
    """Tell whether what follows a piece of a template stands in the address of a link (see `markup` for the marks)."""
    if not isinstance(node, nodes.TemplateData):
        return before
    last = max(node.data.rfind(MARK), node.data.rfind(MARK_URL))
    return before if last < 0 else node.data[last] == MARK_URL


def parse(env: ImmutableSandboxedEnvironment, source: str, checker: Checker) -> nodes.Template:
    """Return the checked tree of a source; raises Refused with the line inside the source."""
    try:
        tree = dotted(env.parse(source), checker.types)
    except TemplateSyntaxError as error:
        sentence = (error.message or "cannot be read").replace("'", '"')
        raise Refused(error.lineno, "", "TPL10", sentence) from error
    except (RecursionError, MemoryError, ValueError, OverflowError) as error:
        raise Refused(1, "", "TPL10", "is nested too deep to be read") from error
    checked: nodes.Template = checker.visit(tree)
    checked.set_environment(env)
    return checked


def compile_tree(env: ImmutableSandboxedEnvironment, tree: nodes.Template) -> Template:
    """Return the compiled template of a checked tree."""
    try:
        return env.from_string(tree)
    except (TemplateError, RecursionError, SyntaxError, RenderError) as error:
        # What is the same for everybody is worked out here, and may turn out to be nothing for everybody.
        raise Refused(1, "", "TPL10", f"cannot be compiled: {error}") from error


def as_problem(text: Text, refused: Refused) -> Problem:
    """Return a refusal as a problem at its line and word in the file."""
    line = text.first_line + (refused.line or 1) - 1
    offset = text.word(line, refused.word) if refused.word else text.word(line, "\x00")
    return text.problem(refused.code, refused.message, offset, max(len(refused.word), 1), refused.hint)
