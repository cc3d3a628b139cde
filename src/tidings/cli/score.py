"""`tidings score`: train a score, give it to customers, explain it, say how good it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from tidings.cli.session import Session

_AS_OF = "As if it were then: 2027-03-02 (its first minute) or 2027-03-02T10:00, on the workspace clock."


class _Group(click.Group):
    """Takes `score` alone as well: every score and how it stands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_Group,
    epilog=examples(
        "tidings score                            # every score and how it stands",
        "tidings score train repeat_purchase",
        "tidings score apply repeat_purchase",
        "tidings score explain repeat_purchase C-1042",
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
def command() -> None:
    """Learn from what customers did who will do it again, and say how sure that is.

    A score is described in config/scores.yaml: the chance that a customer does an event within some time. `train` learns it and
    judges it by later weeks that it has not seen; `apply` gives every customer with history their chance; segments select by
    it with `rank: {by: repeat_purchase, keep: top 40%}`. What is kept are numbers, never code.
    """


@command.command("list", epilog=examples("tidings score list --json"))
@environment_option
@json_option
def list_command(environment: str | None, as_json: bool) -> int:
    """List every score of config/scores.yaml: when it was trained and applied, and how good it is."""
    from tidings.cli.session import open_session
    from tidings.scores.keeping import applied, latest

    with open_session(environment=environment) as session:
        rows, stood = [], {}
        with session.store.read() as connection:
            for name, score in sorted(session.settings.definitions.scores.items()):
                kept, used = stood[name] = latest(connection, name), applied(connection, name)
                rows.append(
                    {
                        "score": name,
                        "title": score.title,
                        "model": kept.hash if kept else None,
                        "trained_at": _iso(kept.trained_at) if kept else None,
                        "applied_at": _iso(used.applied_at) if used else None,
                        "applied_model": used.hash if used else None,
                        "scored": used.scored if used else 0,
                        "auc": kept.quality["auc"]["value"] if kept else None,
                    }
                )
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return 0
    if not rows:
        click.echo("there is no score yet; describe one in config/scores.yaml")
    for row in rows:
        click.echo(f"{row['score']}  {row['title']}".rstrip())
        kept, used = stood[str(row["score"])]
        state = "never trained"
        if kept:
            state = f"trained {_day(session, kept.trained_at)}, AUC {row['auc']:.3f}; "
            state += (
                f"applied {_day(session, used.applied_at)} to {row['scored']:,} customers"
                if used
                else "never applied"
            )
        click.echo(f"  {state}")
    return 0


@command.command(
    "train",
    epilog=examples(
        "tidings score train repeat_purchase",
        "tidings score train repeat_purchase --as-of 2027-01-01 --json",
    ),
)
@click.argument("name")
@click.option("--as-of", metavar="INSTANT", help=_AS_OF)
@environment_option
@json_option
def train_command(name: str, as_of: str | None, environment: str | None, as_json: bool) -> int:
    """Learn a score from what is stored, judge it by the time after, and keep it.

    Says how well it orders customers and whether its chances came true, whether the last purchase alone would do as well, and
    warns of anything that may have told the answer. Where there is too little to learn from, one sentence says so and
    nothing is kept.
    """
    from tidings.cli.score_view import print_quality
    from tidings.cli.session import open_session
    from tidings.clock import to_micros
    from tidings.scores.keeping import keep
    from tidings.scores.training import train
    from tidings.scores.words import as_data

    with open_session(environment=environment) as session:
        now = session.clock.now()
        trained = train(
            session.store, session.settings.definitions, name, now=_instant(session, as_of) or now
        )
        keep(session.store, trained, now=to_micros(now))
    if as_json:
        click.echo(
            json.dumps({"model": trained.hash, **as_data(trained.quality)}, ensure_ascii=False, indent=2)
        )
        return 0
    print_quality(trained.quality, _zone(session))
    click.echo(f"\nkept as model {trained.hash[:12]}")
    click.echo(f"Give it to customers:  tidings score apply {name}")
    return 0


@command.command(
    "apply",
    epilog=examples(
        "tidings score apply repeat_purchase", "tidings score apply repeat_purchase --model 3fa2b1c4d5e6"
    ),
)
@click.argument("name")
@click.option(
    "--model",
    default="",
    metavar="HASH",
    help="Another model than the one trained last, by the start of its hash.",
)
@environment_option
@json_option
def apply_command(name: str, model: str, environment: str | None, as_json: bool) -> int:
    """Give every customer with history their chance as of now.

    Whoever did none of the events in the time that the score looks back on gets none, and loses an earlier one. It may be
    stopped and repeated; `tidings serve` does it every night.
    """
    from tidings.cli.session import open_session
    from tidings.scores.applying import apply

    said = [0]

    def progress(done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth > said[0] and total > 50_000:
            said[0] = tenth
            click.echo(f"scoring {name}: {tenth * 10} %", err=True)

    with open_session(environment=environment) as session:
        done = apply(
            session.store,
            session.settings.definitions,
            name,
            now=session.clock.now(),
            hash_begins=model,
            progress=progress,
        )
    if as_json:
        told = {
            "score": done.score,
            "model": done.hash,
            "scored_at": _iso(done.at),
            "scored": done.scored,
            "without": done.without,
            "mean": done.mean,
        }
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return 0
    mean = "" if done.mean is None else f"; {done.mean:.1%} of them are expected to do it"
    click.echo(f"{done.scored:,} customers scored by model {done.hash[:12]}{mean}")
    if done.without:
        click.echo(f"{done.without:,} have no history and no score")
    return 0


@command.command("explain", epilog=examples("tidings score explain repeat_purchase C-1042"))
@click.argument("name")
@click.argument("customer", metavar="CUSTOMER")
@environment_option
@json_option
def explain_command(name: str, customer: str, environment: str | None, as_json: bool) -> int:
    """Say why a customer, by key or e-mail address, has the chance they have.

    Each line multiplies the odds of an average customer; all lines together are the score, exactly.
    """
    from tidings.cli.score_view import factor
    from tidings.cli.session import open_session
    from tidings.clock import to_micros
    from tidings.scores.explaining import explain

    with open_session(environment=environment) as session:
        definitions = session.settings.definitions
        found = explain(session.store, definitions, name, customer, at=to_micros(session.clock.now()))
        score = definitions.scores[name]
    if as_json:
        told: dict[str, Any] = {
            "score": name,
            "customer": found.customer,
            "model": found.kept.hash,
            "as_of": _iso(found.at),
            "chance": found.chance,
            "average": found.average,
            "base": found.base,
            "stored": found.stored,
            "stored_at": _iso(found.stored_at),
            "themes": [
                {
                    "theme": theme.title,
                    "adds": theme.adds,
                    "factor": theme.factor,
                    "features": [
                        {"name": one.feature.name, "value": one.value, "adds": one.adds, "words": one.words}
                        for one in theme.parts
                    ],
                }
                for theme in found.themes
            ],
        }
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return 0
    click.echo(f"{found.customer} · {score.title or name}")
    click.echo(
        f"{found.chance:.1%} within {score.within}; an average customer has {found.average:.1%} (model {found.kept.hash[:12]})"
    )
    if found.stored is not None:
        click.echo(f"stored: {found.stored:.1%}, of {_day(session, found.stored_at)}")
    click.echo("\nwhat changes the odds of an average customer:")
    for theme in found.themes:
        click.echo(f"  {factor(theme.factor):>7}  {theme.title}")
        for words in theme.words:
            click.echo(f"           {words}")
    return 0


@command.command("show", epilog=examples("tidings score show repeat_purchase"))
@click.argument("name")
@environment_option
@json_option
def show_command(name: str, environment: str | None, as_json: bool) -> int:
    """Show how good a score was when it was trained, how old it is, and whether the base rate has moved since."""
    from tidings.cli.score_view import print_quality
    from tidings.cli.session import open_session
    from tidings.scores.standing import standing
    from tidings.scores.words import as_data

    with open_session(environment=environment) as session:
        now = session.clock.now()
        found = standing(session.store, session.settings.definitions, name, now=now)
    kept, used, drift = found.kept, found.applied, found.drift
    if as_json:
        told: dict[str, Any] = {
            "score": name,
            "model": kept.hash if kept else None,
            "trained_at": _iso(kept.trained_at) if kept else None,
            "applied_model": used.hash if used else None,
            "applied_at": _iso(used.applied_at) if used else None,
            "scored": used.scored if used else 0,
            "problem": found.problem or None,
            "drift": None
            if drift is None
            else {
                "cut_off": _iso(drift.cut_off),
                "customers": drift.customers,
                "did": drift.did,
                "base_rate": drift.now,
                "base_rate_then": drift.then,
                "said": drift.said,
                "low": drift.low,
                "high": drift.high,
                "moved": drift.moved,
            },
            "quality": as_data(kept.quality) if kept else None,
        }
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return 0 if kept else 1
    if kept is None:
        click.echo(f"{found.problem}; train it: tidings score train {name}")
        return 1
    print_quality(kept.quality, _zone(session))
    click.echo()
    if found.problem:
        click.echo(f"WARNING  {found.problem}; train it again: tidings score train {name}")
    click.echo(f"model {kept.hash[:12]}, trained {_day(session, kept.trained_at)}")
    if used is None:
        click.echo(f"never applied: tidings score apply {name}")
    else:
        other = "" if used.hash == kept.hash else f", by the earlier model {used.hash[:12]}"
        click.echo(f"applied {_day(session, used.applied_at)} to {used.scored:,} customers{other}")
    if drift is not None:
        moved = (
            "The base rate has moved: train it again."
            if drift.moved
            else "The base rate has not surely moved."
        )
        click.echo(
            f"since {_day(session, drift.cut_off)}: {drift.now:.1%} of {drift.customers:,} did it, {drift.said:.1%} was said"
        )
        click.echo(
            f"when it was judged {drift.then:.1%} did it: a difference of {100 * drift.low:+.1f} … {100 * drift.high:+.1f} points"
        )
        click.echo(moved)
    return 0


def _instant(session: Session, text: str | None) -> datetime | None:
    from tidings.cli.segment import read_instant

    return None if text is None else read_instant(text, _zone(session))


def _zone(session: Session) -> ZoneInfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(session.settings.definitions.workspace.zone)


def _day(session: Session, at: int | None) -> str:
    """Return the day of an instant on the workspace clock, in words where there is none."""
    from tidings.clock import from_micros, local_day

    return "no known day" if at is None else f"{local_day(from_micros(at), _zone(session))}"


def _iso(at: int | None) -> str | None:
    from tidings.clock import from_micros, iso

    return None if at is None else iso(from_micros(at))
