"""Wordings of a campaign: names, shares and texts in one or several languages."""

from __future__ import annotations

from tidings.definitions.context import Context, Unreadable
from tidings.definitions.keyboard import sign_trap
from tidings.definitions.kinds.campaign import Texts, Variant
from tidings.definitions.nodes import Entry, Mapping, Node, Scalar
from tidings.definitions.quantities import SHARE
from tidings.definitions.schema import Key, Keys, Reader, each_entry, expect_mapping
from tidings.definitions.texts import TEXT, check_name, locale_fault
from tidings.definitions.values import Share

Text = str | tuple[tuple[str, str], ...]
# Names of arms that are not variants.
_RESERVED = {"holdout", "control", "treated", "none", "auto"}


def _say(node: Node, context: Context) -> Texts:
    def read(entry: Entry, inner: Context) -> tuple[str, Text]:
        check_name(entry.key, inner)
        if isinstance(entry.value, Mapping):
            return entry.key.text, _languages(entry, inner)
        return entry.key.text, TEXT.read(entry.value, inner)

    return each_entry(expect_mapping(node, context, '"say"'), context, read)


def _languages(said: Entry, context: Context) -> tuple[tuple[str, str], ...]:
    def read(entry: Entry, inner: Context) -> tuple[str, str]:
        locale_fault(entry.key, inner)
        return entry.key.text, TEXT.read(entry.value, inner)

    mapping = expect_mapping(said.value, context, "a text in several languages")
    texts = each_entry(mapping, context, read)
    locale = context.vocabulary.locale
    if texts and locale not in dict(texts):
        context.warn(
            "CMP02", said.key, f'"{said.key.text}" has no text in {locale}, the language of the workspace',
            "write it too: customers without a language of their own here fall back to it",
        )  # fmt: skip
    return texts


SAY = Reader(_say, "texts by name, each one text or one a locale", {"type": "object"})
_KEYS = Keys(
    "a variant",
    (
        Key("share", SHARE, "Its part of the treated; equal parts when left out.", "share: 50%"),
        Key("say", SAY, "Texts that the template shows.", "say: {headline: {en: Welcome back, ru: С возвращением}}"),
    ),
    later=frozenset({"send", "offer", "via"}),
)  # fmt: skip


def _variant(entry: Entry, context: Context) -> Variant:
    check_name(entry.key, context)
    name = entry.key.text
    if name in _RESERVED:
        raise context.report("VAL04", entry.key, f'"{name}" is a word of its own; call the variant otherwise')
    if isinstance(entry.value, Scalar) and entry.value.value is None:
        return Variant(name)  # a wording that is the template's own
    values = _KEYS.read(entry.value, context)
    return Variant(name, values.get("share"), values.get("say", ()))


def _variants(node: Node, context: Context) -> tuple[Variant, ...]:
    mapping = expect_mapping(node, context, '"variants"')
    if not mapping.entries:
        raise context.report("KEY03", node, '"variants" is empty')
    trapped = [name for name in mapping.entries if sign_trap(name)]
    for name in trapped:
        code, sentence, _ = sign_trap(name) or ("", "", "")
        context.report(code, mapping.entries[name].key, sentence)
    if trapped:
        raise Unreadable
    variants = each_entry(mapping, context, _variant)
    _shares(variants, mapping, context)
    return variants


def _shares(variants: tuple[Variant, ...], mapping: Mapping, context: Context) -> None:
    """Report shares that do not come to the whole, at the last of them."""
    written = [variant for variant in variants if variant.share is not None]
    if not written:
        return
    total = Share(sum(variant.share.basis_points for variant in written if variant.share))
    value = mapping.entries[written[-1].name].value
    at = value.entries["share"].value if isinstance(value, Mapping) else value
    if total.basis_points > 10_000:
        raise context.report("VAL08", at, f"the shares of the variants come to {total}, over 100%")
    if len(written) == len(variants) and total.basis_points < 10_000:
        left = Share(10_000 - total.basis_points)
        raise context.report(
            "VAL08", at, f"the shares of the variants come to {total}; {left} of the treated would get nothing",
            "make them 100%, or leave one out: it takes the rest",
        )  # fmt: skip
    if len(written) < len(variants) and total.basis_points == 10_000:
        left_out = next(variant.name for variant in variants if variant.share is None)
        raise context.report("VAL08", at, f'the shares come to 100%; nothing is left for "{left_out}"')


VARIANTS = Reader(
    _variants,
    "variants by name",
    {"type": "object", "minProperties": 1, "additionalProperties": _KEYS.schema()},
)
VARIANT_KEYS = _KEYS
