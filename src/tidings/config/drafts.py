"""Drafts of definitions: valid, commented, and built from the names that the workspace has."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from tidings.definitions.syntax import spelled
from tidings.definitions.texts import name_fault
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError

FOLDERS = {
    "segment": "segments",
    "campaign": "campaigns",
    "flow": "flows",
    "channel": "channels",
    "import": "config/imports",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A file to be written: its path in the workspace, its text, and the command that comes next."""

    path: str
    text: str
    next_step: str


def draft(definitions: Definitions, kind: str, name: str, like: str | None = None) -> Draft:
    """Return a new definition of a kind, or one like an older one of the same kind.

    Raises UsageError when the name cannot be one, is taken, or when what it needs is not there yet.
    """
    name = unicodedata.normalize("NFC", name.removesuffix(".yaml"))
    fault = name_fault(name, file_name=True)
    if fault:
        raise UsageError(fault[1], what_to_do=fault[2])
    path = f"{FOLDERS[kind]}/{name}.yaml"
    if (Path(definitions.root) / path).exists():
        raise UsageError(f"{path} is there already; nothing was written", what_to_do="take another name")
    text = (
        _like(definitions, kind, name, like)
        if like
        else _for_editors(definitions, kind) + _fresh(definitions, kind, name)
    )
    steps = {
        "segment": f"tidings segment {name}",
        "campaign": f"tidings plan {name}",
        "flow": f"tidings plan {name}",
        "channel": f"name it in a campaign: via: {name}",
        "import": f"tidings import FILE.csv --as {name}",
    }
    return Draft(path, text, steps[kind])


def _for_editors(definitions: Definitions, kind: str) -> str:
    """Return the line by which an editor finds the schema of a file; nothing where `tidings schemas` wrote none."""
    for locale in (definitions.workspace.locale, "en"):
        schema = f"config/schemas/{locale}/{kind}.json"
        if (Path(definitions.root) / schema).is_file():
            up = "../" * (FOLDERS[kind].count("/") + 1)
            return f"# yaml-language-server: $schema={up}{schema}\n"
    return ""


def _like(definitions: Definitions, kind: str, name: str, like: str) -> str:
    path = f"{FOLDERS[kind]}/{like.removesuffix('.yaml')}.yaml"
    content = definitions.files.get(path)
    if content is None:
        known = sorted(
            Path(one).stem for one in definitions.files if Path(one).parent.as_posix() == FOLDERS[kind]
        )
        raise UsageError(
            f'there is no {kind} "{like}"', what_to_do=f"there is {', '.join(known) or 'none yet'}"
        )
    text = content.decode("utf-8-sig")
    text = re.sub(rf"(?m)^{kind}:.*$", lambda _: f"{kind}: {_title(name)}", text, count=1)
    if re.search(r"(?m)^kind: *experiment\b", text):
        # Two tests of one name could not be told apart in a report.
        text = re.sub(r"(?m)^campaign:.*$", lambda _: f"campaign: {name}", text, count=1)
    return text


def _title(name: str) -> str:
    title = re.sub(r"[_-]+", " ", name)
    return spelled(title[:1].upper() + title[1:])


def _fresh(definitions: Definitions, kind: str, name: str) -> str:
    if kind == "segment":
        return _segment(definitions, name)
    if kind == "campaign":
        return _campaign(definitions, name)
    if kind == "flow":
        return _flow(definitions, name)
    return _channel(definitions, name) if kind == "channel" else _import(name)


def _segment(definitions: Definitions, name: str) -> str:
    events = [event.name for event in definitions.events.events]
    behaviour = (
        f"  # - did: {events[0]}\n  #   times: at least 2\n  #   within: last 365 days\n" if events else ""
    )
    return (
        f"segment: {_title(name)}\n"
        "# why: why this group is worth selecting\n"
        "where:                            # all of these must hold\n"
        "  - email: known\n"
        f"{behaviour}"
        "# except:                         # anyone who fits any of these is left out\n"
        "#   - country: [RU, BY]\n"
    )


def _campaign(definitions: Definitions, name: str) -> str:
    if not definitions.channels:
        raise UsageError("a campaign needs a channel first", what_to_do="tidings new channel email")
    messages = _messages(definitions)
    if not messages:
        raise UsageError(
            "a campaign needs a message first",
            what_to_do=f"write templates/{name}/email.{definitions.workspace.locale}.txt",
        )
    send, via = next((found for found in messages if found[0] == name), messages[0])
    purposes = [one.name for one in definitions.policies.purposes]
    purpose = "marketing" if "marketing" in purposes else purposes[0]
    segments = sorted(definitions.segments)
    to = f"to: {segments[0]}" if segments else "to: {where: [{email: known}]}"
    money = next((event for event in definitions.events.events if event.revenue), None)
    goal = (
        f"goal:\n  did: {money.name}\n  within: 14 days                 # after the anchor, for every arm alike\n  worth: revenue\n"
        if money
        else "# goal:                           # an event of config/events.yaml that every customer can have\n#   did: EVENT\n#   within: 14 days\n"
    )
    return (
        f"campaign: {_title(name)}\n"
        f"purpose: {purpose:<24} # decides class, consent and default holdout\n"
        f"{to}\n"
        f"send: {send:<27} # a folder in templates/\n"
        f"via: {via}\n"
        "holdout: auto                     # or 10%, or none\n"
        f"{_variants(definitions, send)}"
        f"{goal}"
        f"# budget: 2000 {definitions.workspace.currency}\n"
    )


def _flow(definitions: Definitions, name: str) -> str:
    """Return a flow of two messages that an event starts, or a segment where no event is declared."""
    messages = _messages(definitions)
    if not messages:
        raise UsageError(
            "a flow needs a channel and a message first"
            if not definitions.channels
            else "a flow needs a message first",
            what_to_do=f"write templates/{name}/email.{definitions.workspace.locale}.txt"
            if definitions.channels
            else "tidings new channel email",
        )
    send, via = next((found for found in messages if found[0].split("/")[0] == name), messages[0])
    events, segments = definitions.events.events, sorted(definitions.segments)
    if not events and not segments:
        raise UsageError(
            "a flow needs an event or a segment to start by", what_to_do="tidings new segment new_customers"
        )
    start = f"did: {events[0].name}" if events else f"enters: {segments[0]}"
    money = next((event for event in events if event.revenue), None)
    leave = next((event for event in events if event is not events[0]), None)
    leaving = (
        f"leave_when:                       # asked before every step\n  - did: {leave.name}\n"
        if leave
        else "# leave_when:                     # asked before every step\n#   - country: unknown\n"
    )
    goal = f"goal:\n  did: {money.name}\n  within: 30 days\n  worth: revenue\n" if money else ""
    purposes = [one.name for one in definitions.policies.purposes]
    purpose = "marketing" if "marketing" in purposes else purposes[0]
    return (
        f"flow: {_title(name)}\n"
        f"purpose: {purpose:<24} # decides class, consent and default holdout\n"
        f"starts:                           # or enters: SEGMENT, leaves: SEGMENT, date: DATE with when: 7 days before\n  {start}\n"
        "again: after 30 days              # or never, always, for each THING\n"
        f"{leaving}"
        "steps:\n"
        "  first:\n"
        "    after: 1 day\n"
        f"    send: {send:<23} # a folder in templates/\n"
        f"    via: {via}\n"
        "  second:\n"
        "    after: 7 days                 # after the step before\n"
        "    # when:                       # only those for whom this holds\n"
        "    #   - email: known\n"
        f"    send: {send}\n"
        f"    via: {via}\n"
        f"{goal}"
    )


def _variants(definitions: Definitions, send: str) -> str:
    """Return two wordings with the texts that other campaigns give this message; without such texts, as a comment."""
    texts = {
        name: None
        for campaign in definitions.campaigns.values()
        if campaign.send == send
        for variant in campaign.variants
        for name, _ in variant.say
    }
    head = "variants:                         # two wordings, drawn at random\n"
    if not texts:
        commented = (
            "#   warm: {say: {headline: We kept your favourites}}\n#   direct: {say: {headline: 25% off}}\n"
        )
        return f"# {head.replace('  #', '#', 1)}{commented}"
    lines = "".join(f"      {name}: Write the {spelled(name.replace('_', ' '))} here\n" for name in texts)
    return head + "".join(f"  {wording}:\n    say:\n{lines}" for wording in ("warm", "direct"))


def _messages(definitions: Definitions) -> list[tuple[str, str]]:
    """Return (message folder, channel) pairs that fit together."""
    pairs = []
    folders = sorted(
        {path.split("/", 1)[1].rsplit("/", 1)[0] for path in definitions.templates if path.count("/") > 1}
    )
    for folder in folders:
        for channel in definitions.channels.values():
            if any(path.startswith(f"templates/{folder}/{channel.kind}.") for path in definitions.templates):
                pairs.append((folder, channel.id))
                break
    return pairs


def _channel(definitions: Definitions, name: str) -> str:
    return (
        f"channel: {_title(name)}\n"
        "adapter: smtp\n"
        "kind: email                       # email, sms or fax\n"
        f"sender: {spelled(definitions.workspace.title + ' <hello@shop.example>')}\n"
        "connections: 8\n"
        "# rate: 10 per second\n"
        "options:\n"
        "  host: 127.0.0.1\n"
        "  port: 2525\n"
        "  tls: none                       # none, starttls or tls\n"
        "# secrets:                        # the NAMES of environment variables, never the values\n"
        "#   username: TIDINGS_SMTP_USER\n"
        "#   password: TIDINGS_SMTP_PASSWORD\n"
    )


def _import(name: str) -> str:
    return (
        f"import: {_title(name)}\n"
        "kind: customers                   # customers, events or experiment\n"
        "customer: customer_id             # the column that names a customer for ever\n"
        "fields:                           # ours: theirs\n"
        "  email: email\n"
        "  locale: locale\n"
        "  # birthday: {column: birthday, format: DD.MM.YYYY}\n"
        "# consent:                        # rows without consent are kept but cannot be written to\n"
        "#   - channel: email\n"
        "#     purpose: marketing\n"
        "#     basis: opt-in in the shop\n"
        '#     when: {newsletter: ["1", "yes"]}\n'
    )
