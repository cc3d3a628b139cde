"""The reference pages of everything that has a code: problems of files, refusals of messages, errors of commands."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tidings.channels.codes import CODES as OF_CHANNELS
from tidings.cli.check import workspace_problems
from tidings.cli.error_codes import ERRORS
from tidings.customers.refusals import REFUSALS, Refused
from tidings.definitions.codes import CODES as OF_DEFINITIONS
from tidings.definitions.codes import Code
from tidings.definitions.reference import NOTE, cell
from tidings.definitions.sample import example_of
from tidings.errors import Problem
from tidings.segments.codes import CODES as OF_SEGMENTS
from tidings.templates.codes import CODES as OF_TEMPLATES

PROBLEMS: dict[str, Code] = {**OF_DEFINITIONS, **OF_SEGMENTS, **OF_CHANNELS, **OF_TEMPLATES}
TITLES = (
    ("codes.md", "Codes of problems"),
    ("refusals.md", "Codes of refusals"),
    ("errors.md", "Codes of errors"),
)


def pages() -> dict[str, str]:
    """Return the pages by their path below docs/reference/."""
    return {"codes.md": _problems(), "refusals.md": _refusals(), "errors.md": _errors()}


def provoked(code: Code) -> list[Problem]:
    """Return what the whole check finds in the smallest workspace with the example of a code in it."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path, content in example_of(code).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        return workspace_problems(root)


def _problems() -> str:
    heading = (
        f"# Codes of problems\n\n{NOTE}Every problem of a file carries one of these codes. "
        "What `tidings check` prints for the example stands below it.\n"
    )
    parts = [heading]
    for code in PROBLEMS.values():
        warning = " It is a warning: nothing fails for it." if code.severity == "warning" else ""
        parts.append(f"\n## {code.code} · {code.title}\n\n{code.means}{warning}\n")
        found = [one for one in provoked(code) if one.code == code.code] if code.example else []
        if found:
            parts.append(f"\n```text\n{found[0].render()}\n```\n")
        parts.append(f"\n{code.fix}\n")
    return "".join(parts)


def _refusals() -> str:
    heading = (
        f"# Codes of refusals\n\n{NOTE}A customer whom a rule forbids to write to gets no message; plans, reports and the "
        "ledger keep why. The table is in the order of the questions: the first that holds is stored, with the rule behind it "
        "and the hash of the policies. Who is refused while planning is in no arm; who is refused later stays in the arm that "
        "was drawn. A run that is paused and a message in doubt are states, not refusals.\n\n"
        "| code | these customers | means | what to do | asked when | and then |\n| --- | --- | --- | --- | --- | --- |\n"
    )
    return heading + "".join(_row(one) for one in REFUSALS.values())


def _row(one: Refused) -> str:
    then = "the next channel of `via` is tried" if one.of == "channel" else "nothing else is tried"
    if one.waits:
        then = f"the message waits; when its time is over it is refused, and {then}"
    return f"| `{one.code}` | {cell(one.they)} | {cell(one.means)} | {cell(one.what_to_do)} | {one.when} | {then} |\n"


def _errors() -> str:
    heading = (
        f"# Codes of errors\n\n{NOTE}An error ends its command with one sentence and what to do. "
        "In Python the exception carries one of these as `code`; an error of the command line itself has none.\n\n| code | means |\n| --- | --- |\n"
    )
    rows = [f"| `{code}` | {cell(means)} |\n" for code, means in sorted(ERRORS.items())]
    return heading + "".join(rows)
