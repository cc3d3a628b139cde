"""`tidings attribute`: who stood on the way to a conversion, by one model or all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tidings.cli.session import Session
    from tidings.definitions.workspace import Definitions
    from tidings.measurement.attribution.answer import Period
    from tidings.statistics.shapley import Worth

_MODELS = ("first", "last", "linear", "time_decay", "position", "markov", "shapley")


@click.command(
    epilog=examples(
        "tidings attribute",
        "tidings attribute --from 2027-01-01 --model all --by campaign",
        "tidings attribute --path-of A-1007",
        "tidings attribute --sensitivity",
        "tidings attribute --paths paths.csv.gz --json",
    )
)
@click.option("--from", "first_day", metavar="DAY", help="First day, 2027-01-01; 90 days ago if not given.")
@click.option("--to", "last_day", metavar="DAY", help="Last day, through its end; today if not given.")
@click.option(
    "--model",
    type=click.Choice(["all", *_MODELS]),
    help="One model, or all; that of config/attribution.yaml if not given, of a file of paths all.",
)
@click.option(
    "--by",
    type=click.Choice(["channel", "campaign", "sales channel"]),
    default="channel",
    show_default=True,
    help="What gets the credit; by sales channel each is asked on its own.",
)
@click.option("--order", type=click.IntRange(1), metavar="N", help="How many channels back Markov remembers.")
@click.option(
    "--worth",
    type=click.Choice(["conversions", "rate"]),
    default="conversions",
    show_default=True,
    help="What a set of channels is worth to Shapley.",
)
@click.option(
    "--path-of", metavar="ORDER", help="The touches of one conversion and what each model gives them."
)
@click.option("--sensitivity", is_flag=True, help="Every model with half, the set and double windows.")
@click.option(
    "--effect/--no-effect",
    default=True,
    help="What came because of it and what it cost, beside the credit; not by sales channel.",
)
@click.option(
    "--paths",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A CSV of aggregated paths (.csv or .csv.gz) instead of the store.",
)
@json_option
@environment_option
def command(
    first_day: str | None,
    last_day: str | None,
    model: str | None,
    by: str,
    order: int | None,
    worth: Worth,
    path_of: str | None,
    sensitivity: bool,
    effect: bool,
    paths: Path | None,
    as_json: bool,
    environment: str | None,
) -> int:
    """Give credit for conversions to the touches before them, with what came because of them beside it: credit is not effect."""
    from tidings.errors import UsageError

    if paths is not None:
        if first_day or last_day or path_of or sensitivity or by != "channel":
            raise UsageError(
                "a file of paths has neither days nor orders",
                what_to_do="leave out --from, --to, --by, --path-of and --sensitivity, or leave out --paths",
            )
        return _of_file(paths, model, order or 1, worth, as_json=as_json)
    if path_of and sensitivity:
        raise UsageError(
            "--path-of and --sensitivity are two questions", what_to_do="ask one after the other"
        )
    from tidings.cli.session import open_session
    from tidings.definitions.asked_days import day_of

    # Before the first command in a workspace makes its store.
    for day, option in ((first_day, "--from"), (last_day, "--to")):
        day_of(day or None, option)
    with open_session(environment, need_vocabulary=False) as session:
        asking = _Asking(
            session, first_day, last_day, model, by, order, worth, effect=effect, as_json=as_json
        )
        asking.refresh()
        if path_of:
            return asking.one_path(path_of)
        if sensitivity:
            return asking.sensitivity()
        return asking.credit()


@dataclass(frozen=True)
class _Asking:
    """One question to the store."""

    session: Session
    first_day: str | None
    last_day: str | None
    model: str | None
    by: str
    order: int | None
    worth: Worth
    effect: bool
    as_json: bool

    @property
    def _definitions(self) -> Definitions:
        return self.session.settings.definitions

    @property
    def _zone(self) -> ZoneInfo:
        from zoneinfo import ZoneInfo

        return ZoneInfo(self._definitions.workspace.zone)

    def refresh(self) -> None:
        """Bring touches and conversions up to date."""
        from tidings.measurement import conversions, touches

        now = self.session.clock.now()
        touches.refresh(self.session.store, self._definitions, now=now)
        conversions.refresh(self.session.store, self._definitions, now=now)

    def credit(self) -> int:
        """Answer who gets the credit."""
        from dataclasses import replace

        from tidings.measurement.attribution.asking import ask, the_answer
        from tidings.measurement.attribution.kept import changed, keep

        store = self.session.store
        asked = ask(store, self._definitions, self._period())
        main = asked.rule.model
        models = (self.model or main,) if self.model != "all" else _MODELS
        tuning = replace(asked.rule.tuning, order=self.order or asked.rule.order, worth=self.worth)
        answer = the_answer(store, asked, self.by, models, tuning=tuning)
        moved = None
        # What is only tried out is not kept: the next answer is compared with the last one of the workspace's own rule.
        if tuning == asked.rule.tuning and main in models:
            moved = changed(store, asked, answer)
            keep(store, answer, self.session.clock.now())
        beside = None
        if self.effect and self.by != "sales channel":
            from tidings.measurement.beside.table import make_beside

            beside = make_beside(store, asked, answer, now=self.session.clock.now())
        if self.as_json:
            more = {
                "order": tuning.order,
                "changed": moved and moved.as_json(),
                "beside": beside and beside.as_json(),
            }
            self._say(answer.as_json() | more)
        else:
            from tidings.cli.attribute_beside import show_beside
            from tidings.cli.attribute_view import console, show_answer, show_change

            screen = console()
            show_answer(answer, screen, zone=self._zone, tuning=tuning)
            if beside is not None:
                show_beside(beside, screen)
            if moved is not None:
                show_change(moved, screen, zone=self._zone)
        return 0

    def sensitivity(self) -> int:
        """Answer how much the credit hangs on model and windows."""
        from tidings.measurement.attribution.asking import ask, check_by
        from tidings.measurement.attribution.sensitivity import sensitivity

        asked = ask(self.session.store, self._definitions, self._period(), stretch=2.0)
        check_by(asked, self.by)
        panel = sensitivity(asked, self.by)
        if self.as_json:
            self._say(panel.as_json())
        else:
            from tidings.cli.attribute_behind import show_sensitivity
            from tidings.cli.attribute_view import console

            show_sensitivity(panel, console())
        return 0

    def one_path(self, wanted: str) -> int:
        """Answer what came before one conversion."""
        from tidings.clock import from_micros, local_day
        from tidings.measurement.attribution.asking import ask, period_of
        from tidings.measurement.attribution.one_path import find_conversion, path_of
        from tidings.measurement.attribution.rule import rule_of

        store, definitions = self.session.store, self._definitions
        rule = rule_of(definitions.attribution, definitions.events)
        found = find_conversion(store, rule.conversions, wanted)
        period = period_of(
            self.first_day, self.last_day, definitions, local_day(from_micros(found.at), self._zone)
        )
        path = path_of(ask(store, definitions, period), found, self.by)
        if self.as_json:
            self._say(path.as_json())
        else:
            from tidings.cli.attribute_behind import show_path
            from tidings.cli.attribute_view import console

            show_path(path, console(), zone=self._zone)
        return 0

    def _period(self) -> Period:
        from tidings.clock import local_day
        from tidings.measurement.attribution.asking import period_of

        today = local_day(self.session.clock.now(), self._zone)
        return period_of(self.first_day, self.last_day, self._definitions, today)

    def _say(self, found: dict[str, Any]) -> None:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False))


def _of_file(path: Path, model: str | None, order: int, worth: Worth, *, as_json: bool) -> int:
    from tidings.errors import UsageError
    from tidings.measurement.attribution.models import Tuning
    from tidings.measurement.attribution.path_file import answer_paths

    if model == "time_decay":
        raise UsageError(
            "time decay needs to know when; a file of paths does not say",
            what_to_do="ask for another --model",
        )
    models = _MODELS if model in (None, "all") else (model,)
    tuning = Tuning(order=order, worth=worth)
    answer = answer_paths(path, tuple(one for one in models if one is not None), tuning)
    if as_json:
        click.echo(json.dumps(answer.as_json(), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        from tidings.cli.attribute_view import console, show_paths

        show_paths(answer, console(), tuning=tuning)
    return 0
