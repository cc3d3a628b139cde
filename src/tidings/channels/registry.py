"""Finds the adapter of a channel by its name among the installed packages and gives it its checked options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidings.channels.protocol import Adapter, Option
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.rules import Environment
from tidings.errors import DefinitionErrors, Problem

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "tidings.channels"
# Known without looking through every installed package, which would take longer than the whole check of a channel.
BUILT_IN = {
    "hylafax": "tidings.channels.hylafax:HylafaxAdapter",
    "outbox": "tidings.channels.outbox:OutboxAdapter",
    "sendgrid": "tidings.channels.sendgrid:SendGridAdapter",
    "smpp": "tidings.channels.smpp:SmppAdapter",
    "smtp": "tidings.channels.smtp:SmtpAdapter",
    "t30": "tidings.channels.t30:T30Adapter",
    "twilio": "tidings.channels.twilio:TwilioAdapter",
}


@cache
def _entries() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {one.name: one for one in entry_points(group=GROUP)}


def adapter_names() -> tuple[str, ...]:
    """Return the names of the installed adapters, sorted."""
    return tuple(sorted(BUILT_IN.keys() | _entries().keys()))


def adapter_class(name: str) -> type[Adapter] | None:
    """Return the class of a built-in or installed adapter, or None when there is none of that name."""
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        built_in: type[Adapter] = getattr(import_module(module), attribute)
        return built_in
    entry = _entries().get(name)
    if entry is None:
        return None
    found: type[Adapter] = entry.load()
    return found


def check_channel(channel: Channel) -> list[Problem]:
    """Return what is wrong with the adapter's name and options in a file of channels/, without reading secrets."""
    at = channel.place("adapter")
    try:
        found = adapter_class(channel.adapter)
    except Exception as error:
        # A package of somebody else: whatever it raises when it is imported, only this channel is concerned.
        sentence = f'adapter "{channel.adapter}" cannot be loaded: {type(error).__name__}: {error}'
        return [Problem("CHN06", sentence, at, "install or mend the package that brings it")]
    if found is None:
        near = get_close_matches(channel.adapter, adapter_names(), n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(adapter_names())}"
        return [Problem("CHN01", f'there is no adapter "{channel.adapter}"', at, hint)]
    known = {option.name: option for option in found.options}
    problems = []
    for name, value in channel.options:
        option, at = known.get(name), channel.place(name)
        if option is None:
            near = get_close_matches(name, known, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(known)}"
            problems.append(Problem("CHN02", f'adapter {found.name} has no option "{name}"', at, hint))
        elif option.secret:
            sentence = f"{name} is a secret and may not stand in a file"
            hint = f"write `secrets: {{{name}: NAME_OF_AN_ENVIRONMENT_VARIABLE}}`"
            problems.append(Problem("SEC01", sentence, at, hint))
        else:
            wrong = _wrong(option, value)
            if wrong:
                problems.append(Problem("CHN03", f"{name}: {wrong}", at, option.sentence))
    for name, variable in channel.secrets:
        at = channel.place(name)
        # What stands there may be the secret itself: no sentence repeats it.
        if name not in known or not known[name].secret:
            problems.append(Problem("CHN02", f'adapter {found.name} has no secret "{name}"', at))
        elif not variable.replace("_", "a").isalnum() or variable[:1].isdigit():
            sentence = f"what stands at {name} is not the name of an environment variable"
            problems.append(Problem("SEC01", sentence, at, "write the NAME, never the value"))
    at = channel.place("options") if channel.options else channel.place("adapter")
    given = {name for name, _ in channel.options} | {name for name, _ in channel.secrets}
    problems += [
        Problem("CHN04", f"adapter {found.name} needs `{one.name}`", at, one.sentence)
        for one in found.options
        if one.required and one.name not in given
    ]
    return problems


def load_adapter(
    channel: Channel,
    *,
    environment: Environment | None = None,
    data_dir: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Adapter:
    """Return the ready adapter of a channel.

    Where the environment says `outbox: true`, every channel writes files to `data_dir`/outbox instead. Secrets are
    read from `variables` (the process environment by default). Raises DefinitionErrors.
    """
    if environment is not None and environment.outbox:
        folder = str((data_dir or Path(".tidings")) / "outbox")
        channel = replace(channel, adapter="outbox", options=(("folder", folder),), secrets=())
    problems = check_channel(channel)
    if problems:
        raise DefinitionErrors(problems)
    found = adapter_class(channel.adapter)
    assert found is not None
    given = os.environ if variables is None else variables
    values: dict[str, Any] = {option.name: option.default for option in found.options}
    flags = {option.name for option in found.options if option.type == "flag"}
    for name, value in channel.options:
        if name in flags and isinstance(value, str):
            values[name] = value == "yes"
            continue
        values[name] = float(value) if isinstance(value, Decimal) else value
    for name, variable in channel.secrets:
        if not given.get(variable):
            sentence = f"the environment variable {variable} is not set (secret {name})"
            hint = f"export {variable}=… before sending"
            raise DefinitionErrors([Problem("CHN05", sentence, channel.place(name), hint)])
        values[name] = given[variable]
    return found(channel, values)


def _wrong(option: Option, value: object) -> str:
    """Return what is wrong with a value, empty when nothing is."""
    if option.type == "flag":
        # In YAML 1.2 a bare yes is a text.
        return "" if isinstance(value, bool) or value in ("yes", "no") else "is yes or no"
    if option.type in ("text", "choice"):
        if not isinstance(value, str):
            return "is a text; write it in quotes"
        if option.choices and value not in option.choices:
            return f"is one of {', '.join(option.choices)}, not {value!r}"
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return "is a number"
    if option.type == "whole" and value != int(value):
        return "is a whole number"
    if option.lowest is not None and value < option.lowest:
        return f"is at least {option.lowest:g}"
    if option.highest is not None and value > option.highest:
        return f"is at most {option.highest:g}"
    return ""
