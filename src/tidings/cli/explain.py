"""`tidings explain`: why a customer got what they got, or nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from tidings.flows.explaining.facts import Explanation, Fact

# What is told with the instant before it; other sentences say theirs themselves.
_TIMED = ("try", "provider", "response", "step", "task")
_LABEL = 14
_SIGNS = {"passed": ("✓", "green"), "against": ("✗", "red")}


@click.command(
    epilog=examples(
        "tidings explain C-1 spring_winback",
        "tidings explain anna@customers.example welcome",
        "tidings explain +46701234567",
        "tidings explain C-1 --json",
    )
)
@click.argument("customer")
@click.argument("about", required=False, default="", metavar="[CAMPAIGN|FLOW]")
@click.option(
    "--run", "run_id", type=int, metavar="ID", help="An earlier run of the campaign, not the latest."
)
@click.option(
    "--last", type=click.IntRange(1), metavar="N", help="Of the time line, only the last N lines."
)  # fmt: skip
@json_option
@environment_option
def command(
    *, customer: str, about: str, run_id: int | None, last: int | None, as_json: bool, environment: str | None
) -> int:
    """Say why a customer got what they got of a campaign or flow, or nothing.

    CUSTOMER is a key, an e-mail address or a telephone number. Every rule is told with its value, ✓ where it let the message
    through and ✗ where it spoke against it: the entry of the consent ledger that decided, caps with what filled them, hours
    with the recipient's zone, the arm with its bucket, each channel and why the next one followed, what the provider and
    people answered; of a flow each step with its time. Everything is read from stored rows, and by the files that the run
    recorded. Instants are on the workspace's clock. Without a campaign or flow: everything that touched the customer, by time.

    \b
    With --json:
      customer, about, kind   kind is campaign, flow or everything
      headline                the answer in one sentence
      chapters                title and facts: what, verdict (passed, against,
                              null), at, text, data
    """  # noqa: D301
    from tidings.cli.session import open_session
    from tidings.errors import DefinitionErrors, UsageError
    from tidings.flows.explaining.answering import explain

    with open_session(environment, need_vocabulary=False, despite_problems=True) as session:
        settings = session.settings
        try:
            found = explain(
                session.store, settings.definitions, customer, about, clock=session.clock, run_id=run_id
            )
        except UsageError as error:
            own = {f"campaigns/{about}.yaml", f"flows/{about}.yaml"}
            problems = [one for one in settings.problems if one.at.path in own]
            if not about or not problems:
                raise
            # There is such a file, and it is not stored what it would say: nobody looks for a misspelled name.
            raise DefinitionErrors(problems) from error
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=2, default=str))
        return 0
    _tell(found, last)
    return 0


def _tell(found: Explanation, last: int | None) -> None:
    from tidings.cli.wrapping import width_of_terminal, wrapped

    width = width_of_terminal()
    subject = f" · {found.title}" + (f" ({found.about})" if found.title != found.about else "")
    click.secho(f"{found.person.key}{subject if found.about else ''}", bold=True)
    if found.about:
        click.echo("\n".join(wrapped(found.headline, width)))
    for chapter in found.chapters:
        facts = chapter.facts
        click.echo()
        click.secho(chapter.title, bold=True)
        timeline = found.kind == "everything" and chapter is found.chapters[-1]
        if timeline and last is not None and len(facts) > last:
            click.echo(f"  … and {len(facts) - last:,} things before")
            facts = facts[-last:]
        for fact in facts:
            _line(fact, found, width, timeline=timeline)
    click.echo(f"\nAs stored on {_at(found, None)}, on the clock of {found.zone}.")


def _line(fact: Fact, found: Explanation, width: int, *, timeline: bool) -> None:
    from tidings.cli.wrapping import hanging, padded

    sign, colour = _SIGNS.get(fact.verdict, (" ", None))
    if timeline:
        first = f"{_at(found, fact.at)}  "
        text = fact.text
    else:
        first = padded(fact.what, _LABEL)
        text = (
            f"{_at(found, fact.at)}  {fact.text}"
            if fact.what in _TIMED and fact.at is not None
            else fact.text
        )
    lines = hanging(f"  {sign} {first}", text, width)
    head = click.style(sign, fg=colour) if colour else sign
    click.echo(f"  {head}{lines[0][3:]}")
    for line in lines[1:]:
        click.echo(line)


def _at(found: Explanation, micros: int | None) -> str:
    from zoneinfo import ZoneInfo

    from tidings.clock import from_micros

    instant = found.as_of if micros is None else from_micros(micros)
    return f"{instant.astimezone(ZoneInfo(found.zone)):%Y-%m-%d %H:%M}"
