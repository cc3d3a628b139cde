"""Compiling the parts of a message: templates checked, the words of a variant put in, problems with their places.

E-mails, text messages and faxes are compiled by the same rules; what is particular to each stands with its kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tidings.definitions.kinds.rules import Attributes
from tidings.errors import Position, Problem
from tidings.templates import group, markup, products, sandbox
from tidings.templates.chains import Others
from tidings.templates.dotted import dotted
from tidings.templates.images import Pictures
from tidings.templates.lint import greeting_problem
from tidings.templates.page import page
from tidings.templates.part import Part
from tidings.templates.salutations import greets_in
from tidings.templates.sources import Message, TemplateErrors, Text, nearest_locale

# What the engine provides beside attributes and the texts of `say`.
PROVIDED = ("unsubscribe_url", "postal_address", "sender_name", "key", "email", "locale", "salutation")

_SAMPLES: dict[str, Any] = {
    "text": "Anna",
    "number": 3,
    "money": 123456,
    "date": date(2027, 3, 2),
    "instant": datetime(2027, 3, 2, 9, tzinfo=UTC),
    "flag": True,
    "list": ["garden", "tools"],
    products.TYPE: products.SAMPLES,
}

# What makes a part say one thing to one customer and another to the next.
_CHOICES: tuple[type[nodes.Node], ...] = (nodes.If, nodes.For, nodes.CondExpr)

SayText = str | Mapping[str, str]


class Compiler:
    """Compiles the parts of one message in one locale: `types` are the names that it may read, `texts` its words.

    `grouped`: the message stands for all customers of an account, and may name `group`.
    """

    def __init__(
        self, words_path: str, attributes: Attributes, locale: str, *, grouped: bool = False
    ) -> None:
        self.words_path = words_path
        declared = {one.name: one.type for one in attributes.attributes}
        # A shop that keeps salutations of its own goes on using them.
        self.greets = "salutation" not in declared
        self.types = declared | {
            name: "text" for name in PROVIDED if name != "salutation" or name not in declared
        }
        self._fields: frozenset[str] = frozenset()
        if grouped and group.NAME not in declared:
            self.types[group.NAME] = "group"
            self._fields = frozenset(declared) | {group.KEY}
        self.currencies = {
            one.name: one.currency or "" for one in attributes.attributes if one.type == "money"
        }
        for one in attributes.attributes:
            if one.type == products.TYPE:
                self.types |= products.types()
                self.currencies[f"{one.name}.price"] = one.currency or ""
        self.html = sandbox.environment(locale, html=True)
        self.plain = sandbox.environment(locale, html=False)
        self.texts: dict[str, str] = {}
        self._others: dict[str, set[Others]] = {}

    def say(self, texts: Mapping[str, SayText], locale: str, fallback: str, files: str) -> list[Problem]:
        """Choose the words of the variant for the locale; they may hold values, and are checked as templates.

        Returns warnings for words in another language than the files (of locale `files`).
        """
        problems, warnings = [], []
        for name, text in texts.items():
            chosen: str | None = text if isinstance(text, str) else None
            if not isinstance(text, str):
                best = nearest_locale(locale, text, fallback)
                chosen = None if best is None else text[best]
                if best and nearest_locale(files, [best], "") is None:
                    sentence = (
                        f'"{name}" of `say` has no text for locale {files}, so it stands there in {best}'
                    )
                    warnings.append(Problem("TPL17", sentence, Position(self.words_path), "", "warning"))
            at = Position(self.words_path)
            if chosen is None:
                sentence = f'"{name}" of `say` has no text for locale {locale} or {fallback}'
                problems.append(Problem("TPL15", sentence, at, "add one to the variant"))
            elif name in self.types:
                sentence = (
                    f'"{name}" of `say` is already the name of an attribute or of a value of the engine'
                )
                problems.append(Problem("TPL16", sentence, at, "use another word"))
            else:
                self.texts[name] = chosen
        if problems:
            raise TemplateErrors(problems)
        return warnings

    def written(self, source: str) -> str:
        """Return a line with the words of the variant put in; values stay as holes."""
        for name, text in self.texts.items():
            source = re.sub(rf"\{{\{{-?\s*{re.escape(name)}\s*-?\}}\}}", lambda _, text=text: text, source)  # type: ignore[misc]
        return source

    def parts(
        self, message: Message, book: markup.LinkBook, *, tracked: bool, pictures: Pictures
    ) -> dict[str, Part]:
        """Return the compiled parts by name; TemplateErrors with the problems of all of them."""
        problems: list[Problem] = []
        sources: dict[str, tuple[Text, str]] = {"subject": (message.subject, message.subject.source)}
        if message.preheader and message.preheader.source:
            sources["preheader"] = (message.preheader, message.preheader.source)
        if message.html:
            made_page = page(message, book, tracked=tracked, picture=pictures.url)
            problems += made_page.problems
            if message.mjml:
                # Read as it was written first: the converter moves everything to other lines.
                problems += self._mistakes(message.html, made_page.checked)
            if not any(one.severity == "error" for one in problems):
                sources["html"] = (message.html, made_page.source)
        slotted, found = markup.text_slots(message.text, book, tracked=tracked)
        if not message.derived:
            sources["text"] = (message.text, slotted)
            problems += found
        elif not any(one.severity == "error" for one in problems):
            # What is wrong with the words of the page was said with their place in the page.
            sources["text"] = (message.text, slotted)
        made: dict[str, Part] = {}
        for name, (text, source) in sources.items():
            try:
                made[name] = self.part(name, source)
            except sandbox.Refused as refused:
                # The text part of a page alone has the page's mistakes, and they were said with their places.
                if not (name == "text" and message.derived and problems):
                    problems.append(sandbox.as_problem(text, refused))
        if problems:
            raise TemplateErrors(_once(problems))
        return made

    def _mistakes(self, text: Text, source: str) -> list[Problem]:
        """Return what is not allowed in a source whose lines are those of its file."""
        try:
            self.part("html", source)
        except sandbox.Refused as refused:
            return [sandbox.as_problem(text, refused)]
        return []

    def alone(self, text: Text, part: Part, locale: str) -> list[Problem]:
        """Return what is wrong with the one part of a text message or a fax.

        A loop in a loop may take minutes, and only e-mails are written in a process that can be stopped; and there must be
        forms of address for the language.
        """
        problems = []
        if part.loops > 1:
            sentence = "a loop in a loop has no place in a text message or a fax"
            at = max(text.source.rfind("{%", 0, max(text.source.rfind(" for "), 0) + 1), 0)
            problems.append(text.problem("TPL10", sentence, at, 2, "write one loop after the other"))
        if "salutation" in part.used and self.greets and not greets_in(locale):
            problems.append(greeting_problem(text, locale))
        return problems

    def part(self, name: str, source: str) -> Part:
        """Return one part compiled; raises sandbox.Refused with the line inside the source."""
        env = self.html if name == "html" else self.plain
        checker = sandbox.Checker(self.types, self.currencies, {}, self._fields)
        checker.texts = {key: self._words(env, key, text, checker) for key, text in self.texts.items()}
        checker.used.clear()
        tree = sandbox.parse(env, markup.keep_line_ends(source), checker)
        for key, text in self.texts.items():
            # Names inside the words of `say` count where the words are used.
            if re.search(rf"(?<!\w){re.escape(key)}(?!\w)", source):
                checker.used |= self._names(env, text)
                checker.others |= self._others[key]
        compiled = sandbox.compile_tree(env, tree)
        return Part(
            name,
            compiled,
            frozenset(checker.used),
            checker.deepest,
            frozenset(checker.others),
            frozenset(checker.members),
            any(tree.find(choice) is not None for choice in _CHOICES),
        )

    def _words(
        self, env: ImmutableSandboxedEnvironment, name: str, text: str, outer: sandbox.Checker
    ) -> list[nodes.Expr]:
        checker = sandbox.Checker(self.types, self.currencies, {})
        try:
            tree = sandbox.parse(env, text, checker)
        except sandbox.Refused as refused:
            at = Position(self.words_path)
            raise TemplateErrors(
                [Problem(refused.code, f'"{name}" of `say`: {refused.message}', at, refused.hint)]
            ) from None
        words: list[nodes.Expr] = []
        for part in tree.body:
            if not isinstance(part, nodes.Output):
                at = Position(self.words_path)
                sentence = f'"{name}" of `say` may hold values {{{{ … }}}} but no {{% … %}}'
                raise TemplateErrors(
                    [Problem("TPL11", sentence, at, "write two texts, or an if-else inside {{ }}")]
                )
            # Written words are text, never HTML: as constants they are escaped like any value.
            words += [
                nodes.Const(one.data, lineno=1) if isinstance(one, nodes.TemplateData) else one
                for one in part.nodes
            ]
        outer.used |= checker.used
        self._others[name] = checker.others
        return words or [nodes.Const("", lineno=1)]

    def _names(self, env: ImmutableSandboxedEnvironment, text: str) -> set[str]:
        tree = dotted(env.parse(text), self.types)
        return {node.name for node in tree.find_all(nodes.Name)} & set(self.types)


def _once(problems: list[Problem]) -> list[Problem]:
    seen: dict[tuple[str, Position], Problem] = {}
    for problem in problems:
        seen.setdefault((problem.code, problem.at), problem)
    return list(seen.values())


def sample(kind: str, values: tuple[str, ...]) -> Any:
    """Return a value of a made-up customer for an attribute of a type with these values."""
    if values:
        return list(values[:2]) if kind == "list" else values[0]
    return _SAMPLES.get(kind, "Anna")
