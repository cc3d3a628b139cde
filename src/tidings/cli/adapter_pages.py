"""The reference page of the adapters that are built in, from the options and capabilities that each declares."""

from __future__ import annotations

from typing import Any

from tidings.channels.protocol import Adapter, Capabilities, Option
from tidings.channels.registry import BUILT_IN, adapter_class
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.reference import NOTE, cell

TITLE = ("adapters.md", "Adapters")
_STAND_INS: dict[str, Any] = {"whole": 1, "number": 1.0, "flag": True}
_FORMS = {
    "mime": "a whole e-mail (MIME)", "parts": "an e-mail as fields", "text": "a text", "pages": "pages (TIFF, CCITT G4)",
}  # fmt: skip
_RECEIPTS = {
    "none": "none", "poll": "asked for", "webhook": "by hook, at `PUBLIC_URL/h/CHANNEL`", "in_band": "on the open connection",
}  # fmt: skip
_FORM_OF = {"mime": "email", "parts": "email", "text": "sms", "pages": "fax"}
_KINDS = ("email", "sms", "fax")


def page() -> str:
    """Return the page: for each adapter what it carries, what it reports, and all its options."""
    heading = (
        f"# Adapters\n\n{NOTE}`adapter:` of a file in `channels/` names one of these, or one of an installed package "
        "([write a channel](../how-to/write-a-channel.md)). Options stand under `options:`; a secret stands under "
        "`secrets:` as the NAME of an environment variable, never as its value. In flight: messages that one connection may "
        "have handed over without an answer, which bounds what a killed process leaves in doubt.\n"
    )
    parts = [heading]
    for name in sorted(BUILT_IN):
        found = adapter_class(name)
        assert found is not None
        parts.append(_adapter(found))
    return "".join(parts)


def _adapter(found: type[Adapter]) -> str:
    bare = _capabilities(found, {})
    about = (found.__doc__ or "").strip().splitlines()
    lines = [f"\n## {found.name}\n\n{about[0] if about else ''}\n\n| | |\n| --- | --- |\n"]
    able = {kind: _capabilities(found, {}, kind) for kind in _KINDS}
    # An adapter may take the kind from its channel; what it carries shows in the form that it asks for.
    kinds = [kind for kind, one in able.items() if one.kind == kind and _FORM_OF[str(one.form)] == kind]
    forms = {able[kind].form for kind in kinds}
    lines.append(f"| carries | {', '.join(kinds)} |\n")
    lines.append(f"| takes | {', '.join(sorted(_FORMS[str(form)] for form in forms))} |\n")
    lines.append(f"| receipts | {_receipts(found, bare)} |\n")
    lines.append(f"| answers of people | {'yes' if bare.inbound else 'no'} |\n")
    lines.append(f"| in flight | {bare.window} |\n| largest message | {bare.max_bytes:,} bytes |\n")
    if found.options:
        lines.append("\n| option | value | else | says |\n| --- | --- | --- | --- |\n")
    lines += [
        f"| `{one.name}`{' (secret)' if one.secret else ''} | {_value(one)} | {_default(one)} | {cell(one.sentence)} |\n"
        for one in found.options
    ]
    return "".join(lines)


def _receipts(found: type[Adapter], bare: Capabilities) -> str:
    """Return how the adapter learns what became of a message, and with which options it learns it otherwise."""
    said = _RECEIPTS[bare.receipts]
    for option in found.options:
        if option.required or option.choices:
            continue
        try:
            other = _capabilities(found, {option.name: _STAND_INS.get(option.type, "stand-in")})
        except Exception:  # noqa: S112 (an option that wants more than a stand-in, such as a key, says nothing here)
            continue
        if other.receipts != bare.receipts:
            said += f"; with `{option.name}` {_RECEIPTS[other.receipts]}"
    return said


def _capabilities(found: type[Adapter], given: dict[str, Any], kind: str = "") -> Capabilities:
    """Return what an adapter can do with its defaults and stand-ins for what it needs; it opens nothing."""
    values = {option.name: option.default for option in found.options}
    for option in found.options:
        if option.required and option.default is None:
            values[option.name] = _STAND_INS.get(
                option.type, option.choices[0] if option.choices else "stand-in"
            )
    channel = Channel(
        id="shown", title="Shown", path="channels/shown.yaml", adapter=found.name, kind=kind or "email", sender="+4680000000"
    )  # fmt: skip
    return found(channel, values | given).capabilities


def _value(option: Option) -> str:
    if option.choices:
        return ", ".join(f"`{one}`" for one in option.choices)
    kind = {"flag": "yes or no", "whole": "a whole number", "number": "a number", "text": "a text"}[
        option.type
    ]
    if option.lowest is not None and option.highest is not None:
        return f"{kind}, {_number(option.lowest)} to {_number(option.highest)}"
    return kind if option.lowest is None else f"{kind}, at least {_number(option.lowest)}"


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _default(option: Option) -> str:
    if option.required:
        return "needed"
    if option.default is None or option.default == "":
        return ""
    shown = option.default
    if isinstance(shown, bool):
        shown = "yes" if shown else "no"
    return f"`{shown}`"
