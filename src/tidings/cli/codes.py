"""`tidings codes`: pools of codes, made here or imported, how many are left, and the redemption of one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from tidings.cli.options import ListsByDefault, environment_option, examples, json_option, yes_option
from tidings.cli.redeeming import redeem_command, show_command

if TYPE_CHECKING:
    from pathlib import Path

    from tidings.campaigns.pools import Added
    from tidings.cli.session import Session


@click.group(
    cls=ListsByDefault,
    epilog=examples(
        "tidings codes",
        "tidings codes make spring25 5000 --prefix SPRING-",
        "tidings codes import spring25 codes.txt",
        "tidings codes withdraw spring25",
        "tidings codes redeem SPRING-K7QM2XW4",
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
def command() -> None:
    """List pools of codes, fill one, withdraw codes; look at one code, or redeem it.

    An offer with `codes: one each from POOL` gives every message a code of its own from the pool, and never the same code
    twice. `tidings plan` says when a pool holds fewer codes than the campaign needs.
    """


@command.command("list", epilog=examples("tidings codes", "tidings codes list --json"))
@environment_option
@json_option
def list_command(*, environment: str | None, as_json: bool) -> int:
    """List the pools and how many of their codes are left.

    \b
    With --json a list of:
      pool
      free        to be given
      reserved    given to a message, or about to be
      redeemed    those of the reserved that came back with an order
      withdrawn   never given (again)
    """  # noqa: D301
    from tidings.campaigns.pools import pools
    from tidings.cli.session import open_session
    from tidings.measurement.redemptions import refresh

    with open_session(environment, need_vocabulary=False) as session:
        refresh(session.store, session.settings.definitions, now=session.clock.now())
        with session.store.read() as connection:
            found = pools(connection)
    if as_json:
        click.echo(json.dumps([one.as_json() for one in found], ensure_ascii=False, indent=2))
        return 0
    if not found:
        click.echo("There are no codes. `tidings codes make POOL COUNT` makes some.")
        return 0
    width = max(len("pool"), *(len(one.name) for one in found))
    click.echo(f"{'pool':<{width}} {'free':>11} {'reserved':>11} {'redeemed':>11} {'withdrawn':>11}")
    for one in found:
        click.echo(
            f"{one.name:<{width}} {one.free:>11,} {one.reserved:>11,} {one.redeemed:>11,} {one.withdrawn:>11,}"
        )
    return 0


@command.command(
    "make",
    epilog=examples(
        "tidings codes make spring25 5000", "tidings codes make spring25 5000 --prefix SPRING- --length 10"
    ),
)
@click.argument("pool", metavar="POOL")
@click.argument("count", metavar="COUNT", type=int)
@click.option("--prefix", metavar="TEXT", default="", help="What stands before every code, such as SPRING-.")
@click.option(
    "--length", metavar="SIGNS", type=int, default=8, show_default=True, help="Signs after it, 6 to 30."
)
@environment_option
@json_option
def make_command(
    *, pool: str, count: int, prefix: str, length: int, environment: str | None, as_json: bool
) -> int:
    """Make random codes and add them to a pool, which there need not be yet.

    They have capital letters and digits that nobody mistakes for each other, no I, L, O, 0 or 1, and the last sign is a
    check: a sign mistyped or two swapped make no other code.
    """
    import getpass

    from tidings.campaigns.pools import make_codes
    from tidings.cli.session import open_session

    with open_session(environment, need_vocabulary=False) as session:
        done = make_codes(
            session.store,
            pool,
            count,
            prefix=prefix,
            length=length,
            actor=getpass.getuser(),
            now=session.clock.now(),
        )
        _tell_of_no_offer(session, pool)
    return _told(pool, done, as_json=as_json)


@command.command("import", epilog=examples("tidings codes import spring25 codes.txt"))
@click.argument("pool", metavar="POOL")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
@environment_option
@json_option
def import_command(*, pool: str, file: str, environment: str | None, as_json: bool) -> int:
    """Add the codes of a text file, one a line, to a pool.

    Codes that are there already, in this pool or another, are passed over and counted.
    """
    import getpass
    from pathlib import Path

    from tidings.campaigns.pools import import_codes
    from tidings.cli.session import open_session

    with open_session(environment, need_vocabulary=False) as session:
        lines = _lines(Path(file))
        done = import_codes(session.store, pool, lines, actor=getpass.getuser(), now=session.clock.now())
        _tell_of_no_offer(session, pool)
    return _told(pool, done, as_json=as_json)


@command.command(
    "withdraw",
    epilog=examples("tidings codes withdraw spring25", "tidings codes withdraw spring25 SPRING-K7QM2XW4"),
)
@click.argument("pool", metavar="POOL")
@click.argument("codes", metavar="[CODE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Also those that were given away.")
@yes_option
@environment_option
@json_option
def withdraw_command(
    *,
    pool: str,
    codes: tuple[str, ...],
    everything: bool,
    yes: bool,
    environment: str | None,
    as_json: bool,
) -> int:
    """Withdraw the free codes of a pool, or those that are named: they are not given to anybody any more.

    A customer who comes with a withdrawn code is told so: the redemption is kept and does not count.
    """
    import getpass

    from tidings.campaigns.pools import withdraw
    from tidings.cli.session import open_session
    from tidings.errors import UsageError

    if codes and everything:
        raise UsageError("codes are named, and --all means every one", what_to_do="leave out one of the two")
    with open_session(environment, need_vocabulary=False) as session:
        if everything and not yes:
            click.confirm(f"Withdraw all codes of {pool}, those that customers hold too?", abort=True)
        gone = withdraw(
            session.store,
            pool,
            codes,
            everything=everything,
            actor=getpass.getuser(),
            now=session.clock.now(),
        )
    if as_json:
        click.echo(json.dumps({"pool": pool, "withdrawn": gone}, ensure_ascii=False, indent=2))
    else:
        click.echo(f"{gone:,} codes of {pool} are withdrawn.")
    return 0


def _tell_of_no_offer(session: Session, pool: str) -> None:
    """Say on the side when no offer takes codes from a pool: it may be a name mistyped, or the offer comes later."""
    from tidings.campaigns.offer_checks import pools_named
    from tidings.definitions.context import nearest

    named = pools_named(session.settings.definitions)
    if pool in named:
        return
    near = nearest(pool, named)
    meant = f"; did you mean {near}? `tidings codes withdraw {pool}` takes these back" if near else ""
    click.echo(f"note: no offer takes codes from {pool} yet (codes: one each from {pool}){meant}", err=True)


def _told(pool: str, done: Added, *, as_json: bool) -> int:
    if as_json:
        told = {"pool": pool, "added": done.added, "known": done.known}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return 0
    known = f"; {done.known:,} were there before" if done.known else ""
    click.echo(f"{done.added:,} codes were added to {pool}{known}.")
    return 0


def _lines(path: Path) -> list[str]:
    from tidings.errors import UsageError

    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text in UTF-8", what_to_do="save it as UTF-8") from error


command.add_command(show_command)
command.add_command(redeem_command)
