"""The options that many commands share: spelled and explained once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., object])


def environment_option(command: Command) -> Command:
    """Add `-e NAME`, passed on as `environment`: None means TIDINGS_ENVIRONMENT, else development."""
    return click.option(
        "-e", "--environment", metavar="NAME", help="Which environment's store; development if not given."
    )(command)


def json_option(command: Command) -> Command:
    """Add `--json`, passed on as `as_json`: the same as data, with keys that stay."""
    return click.option("--json", "as_json", is_flag=True, help="Print as JSON with stable keys.")(command)


def yes_option(command: Command) -> Command:
    """Add `-y`, passed on as `yes`: do it without asking."""
    return click.option("-y", "--yes", is_flag=True, help="Do it without asking.")(command)


def examples(*lines: str) -> str:
    """Return the examples below a command's help, each on its own line."""
    head = "Example" if len(lines) == 1 else "Examples"
    return "\b\n" + "\n".join([f"{head}:", *(f"  {line}" for line in lines)])


class ListsByDefault(click.Group):
    """A group whose command `list` may be left out: `tasks`, `tasks --json` and `tasks accept 12` are taken alike."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `list` before arguments that name no command; -h asks for the help of the group."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)
