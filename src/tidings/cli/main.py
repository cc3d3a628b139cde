"""The command group: names, one-line helps and where each command lives; errors become sentences here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from tidings import __version__

# name: (module, one-line help). The module has a `command` made by click or typer; it is imported when called.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("tidings.cli.init", "Start a workspace in a folder."),
    "new": ("tidings.cli.new", "Write a valid definition to start from."),
    "check": ("tidings.cli.check", "Check every definition; say all problems with their place."),
    "fmt": ("tidings.cli.fmt", "Repair keyboard traps and odd encodings in definitions."),
    "schemas": ("tidings.cli.schemas", "Write the JSON Schemas of this workspace for editors."),
    "migrate": ("tidings.cli.migrate", "Bring the store up to date; says first what it will do."),
    "import": ("tidings.cli.importing", "Read customers, events, costs, touches and more from a file."),
    "customer": ("tidings.cli.customer", "Merge two records of one person, or part them again."),
    "segment": ("tidings.cli.segment", "Count and show the members of a segment."),
    "recommend": ("tidings.cli.recommend", "Show what a customer is recommended, and why."),
    "plan": ("tidings.cli.plan", "Show what a campaign would do: people, arms, refusals, cost."),
    "preview": ("tidings.cli.preview", "Render a campaign's message for one customer."),
    "send-test": ("tidings.cli.send_test", "Send a campaign's message to colleagues, to look at it."),
    "run": ("tidings.cli.run", "Run a campaign: show the plan, ask, enrol and send."),
    "pause": ("tidings.cli.pause", "Stop sending a run, by a channel, or everything."),
    "resume": ("tidings.cli.resume", "Go on with a paused run or channel."),
    "cancel": ("tidings.cli.cancel", "Drop the messages of a run that have not gone out."),
    "in-doubt": ("tidings.cli.in_doubt", "List or resolve messages that may or may not have gone out."),
    "verify": ("tidings.cli.verify", "Recompute the ledger and check that its sums agree."),
    "tasks": ("tidings.cli.tasks", "List the tasks that flows set for people, or answer one."),
    "serve": ("tidings.cli.serve", "Run the tracker and the sender."),
    "runs": ("tidings.cli.runs", "List runs, their progress and the scheduled work."),
    "deploy": ("tidings.cli.deploy", "Register the scheduled work with a Prefect server."),
    "calendar": ("tidings.cli.calendar", "Show a month: what goes out, holidays, what collides."),
    "flow": ("tidings.cli.flow", "Draw a flow with the people at each step."),
    "explain": ("tidings.cli.explain", "Say why a customer got what they got, or nothing."),
    "report": ("tidings.cli.report", "Say what a campaign caused, with intervals."),
    "reclassify": ("tidings.cli.reclassify", "Judge again who opened and clicked, people or machines."),
    "attribute": ("tidings.cli.attribute", "Give credit for conversions, by one model or all."),
    "export": ("tidings.cli.export", "Write a result as CSV or XLSX for a spreadsheet."),
    "kpi": ("tidings.cli.kpi", "Show how customers moved: new, kept, upgraded, lost."),
    "goals": ("tidings.cli.goals", "Show the goals: plan, actual, forecast, status."),
    "score": ("tidings.cli.score", "Learn who will do it again, score customers, say how sure."),
    "codes": ("tidings.cli.codes", "List pools of codes, fill one, or withdraw codes."),
    "costs": ("tidings.cli.costs", "Show what ads cost, by source, campaign and month."),
    "sandbox": ("tidings.cli.sandbox", "Play a provider on this machine, to try things against."),
    "demo": ("tidings.cli.demo", "One campaign from segment to effect on seeded customers."),
    "docs": ("tidings.cli.docs", "Write the reference pages from the models."),
}


class LazyGroup(click.Group):
    """Knows every command by name and help, and imports one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order of a campaign's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, or None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown one, name the nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            ctx.fail(f'there is no command "{args[0]}".{hint}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command table without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tidings")
def app() -> None:
    """Marketing automation as code: segments, campaigns and flows in YAML, measured honestly."""


def run(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 ok, 1 problem found, 2 usage, 3 refused by policy."""
    from tidings.cli.safe_terminal import guard

    guard(sys.stdout)
    guard(sys.stderr, bars=True)
    sys.exit(execute(argv))


def execute(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every expected error is one clear sentence, no traceback."""
    from tidings.errors import DefinitionErrors, TidingsError

    try:
        result: Any = app.main(args=argv, prog_name="tidings", standalone_mode=False)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.Abort:
        click.echo("\nstopped; nothing more was done", err=True)
        return 130
    except click.ClickException as error:
        _say_usage(error)
        return 2
    except DefinitionErrors as error:
        for problem in error.problems:
            click.echo(problem.render() + "\n", err=True)
        click.echo(error.message, err=True)
        return error.exit_code
    except TidingsError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.what_to_do:
            click.echo(f"  {error.what_to_do}", err=True)
        return error.exit_code
    except OSError as error:
        # Whoever knows the file says more; a disk that fills up under a small file ends here.
        place = f"{error.filename}: " if error.filename else ""
        with suppress(OSError):  # the terminal itself may be what went away
            click.echo(f"error: {place}{(error.strerror or str(error)).lower()}", err=True)
        return 1
    except KeyboardInterrupt:
        click.echo("\nstopped; what was done so far is kept", err=True)
        return 130
    return result if isinstance(result, int) else 0


def _say_usage(error: click.ClickException) -> None:
    """Say what is wrong with the command line in the same two lines as every other error."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    sentence = " ".join(error.format_message().split()).removesuffix(".").replace("'", '"')
    click.echo(f"error: {sentence[:1].lower()}{sentence[1:]}", err=True)
    context = getattr(error, "ctx", None)
    if context is not None:
        usage = " ".join(context.get_usage().split()).removeprefix("Usage: ")
        click.echo(f"  {usage}\n  {context.command_path} --help says more", err=True)


if __name__ == "__main__":
    run()
