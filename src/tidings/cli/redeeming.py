"""`tidings codes show` and `tidings codes redeem`: one code at a time, as a till asks for it."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from tidings.cli.options import environment_option, examples, json_option

if TYPE_CHECKING:
    from tidings.responses.redemptions_told import Verdict

# What people redeem by hand stands under this name, beside those of the keys of the API.
SOURCE = "by hand"


@click.command(
    "show",
    epilog=examples("tidings codes show SPRING-K7QM2XW4", "tidings codes show SPRING10 --customer C-17"),
)
@click.argument("code", metavar="CODE")
@click.option("--customer", metavar="KEY", help="Whether it would count for this customer.")
@environment_option
@json_option
def show_command(*, code: str, customer: str | None, environment: str | None, as_json: bool) -> int:
    """Say whether a code is good now; nothing is redeemed.

    \b
    With --json:
      code, good  the code as it is known, and whether it would count
      answer      good, unknown, ended, again, other_customer or withdrawn
      says        that in words
      mistyped    its last sign does not fit the others
      offer, gives, ends_at  what it is for
    """  # noqa: D301
    from tidings.cli.session import open_session
    from tidings.measurement.redeeming import check

    with open_session(environment, need_vocabulary=False) as session:
        definitions = session.settings.definitions
        found = check(session.store, definitions, code, customer=customer, now=session.clock.now())
        zone = ZoneInfo(definitions.workspace.zone)
    return _told(found, zone, as_json=as_json)


@click.command(
    "redeem",
    epilog=examples(
        "tidings codes redeem SPRING-K7QM2XW4 --order 1077 --discount 12.50",
        "tidings codes redeem SPRING10 --customer C-17 --order 1078",
        "tidings codes redeem SPRING-K7QM2XW4 --undo",
    ),
)
@click.argument("code", metavar="CODE")
@click.option("--customer", metavar="KEY", help="Who came with it; without it, who was given it.")
@click.option(
    "--order", metavar="NUMBER", help="The number of the order, which may tell of the code as well."
)
@click.option("--discount", metavar="AMOUNT", help="What it took off, in the currency of the workspace.")
@click.option("--at", metavar="INSTANT", help="When; now when left out.")
@click.option(
    "--id", "key", metavar="TEXT", help="What makes it one redemption; code and order when left out."
)
@click.option("--anyway", is_flag=True, help="Keep it even where it does not count.")
@click.option("--undo", "take_back", is_flag=True, help="Take a redemption back that was made here.")
@environment_option
@json_option
def redeem_command(
    *,
    code: str,
    customer: str | None,
    order: str | None,
    discount: str | None,
    at: str | None,
    key: str | None,
    anyway: bool,
    take_back: bool,
    environment: str | None,
    as_json: bool,
) -> int:
    """Redeem a code as a till does by POST /v1/redemptions; what does not count is refused (exit code 1).

    With --undo the sale was taken back: the code is good again, as far as its offer allows.

    \b
    With --json the keys of `codes show`, and:
      id        what makes it one redemption
      redeemed  it stands in the store; `already` that it did before
    """  # noqa: D301
    import getpass

    from tidings.cli.segment import read_instant
    from tidings.cli.session import open_session
    from tidings.clock import to_micros
    from tidings.errors import UsageError
    from tidings.measurement.redeeming import redeem, undo
    from tidings.responses.redemptions_told import KeyTaken, Redemption

    key = key or " ".join(filter(None, [code.strip().upper(), order or customer]))
    with open_session(environment, need_vocabulary=False) as session:
        definitions, now = session.settings.definitions, session.clock.now()
        workspace = definitions.workspace
        zone = ZoneInfo(workspace.zone)
        if take_back:
            gone = undo(session.store, definitions, SOURCE, key, actor=getpass.getuser(), now=now)
            if gone is None:
                raise UsageError(
                    f'nothing was redeemed here under "{key}"',
                    what_to_do="give the --order, --customer or --id that it was redeemed with",
                )
            return _told(gone, zone, as_json=as_json, key=key)
        when = now if at is None else read_instant(at, zone)
        told = Redemption(
            code, SOURCE, key, to_micros(when), customer, order, _amount(discount, workspace.currency),
            workspace.currency if discount else None, anyway=anyway,
        )  # fmt: skip
        try:
            found = redeem(session.store, definitions, told, now=now)
        except KeyTaken:
            raise UsageError(
                f'"{key}" stands for another code already', what_to_do="give another --id"
            ) from None
    return _told(found, zone, as_json=as_json, key=key)


def _amount(text: str | None, currency: str) -> int | None:
    from tidings.definitions.money import from_minor, to_minor
    from tidings.errors import UsageError

    if text is None:
        return None
    try:
        amount = Decimal(text)
        minor = to_minor(amount, currency)
    except (InvalidOperation, ValueError, OverflowError):
        minor, amount = -1, Decimal(0)
    if minor < 0 or from_minor(minor, currency) != amount:
        raise UsageError(f'"{text}" is no amount in {currency}', what_to_do="write it such as 12.50")
    return minor


def _told(found: Verdict, zone: ZoneInfo, *, as_json: bool, key: str | None = None) -> int:
    if as_json:
        facts = found.as_json()
        if key is not None:
            facts |= {"id": key, "redeemed": found.kept, "already": found.already}
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        click.echo(f"{found.code}: {found.sentence}")
        if found.gives:
            until = f", until {found.ends_at.astimezone(zone):%Y-%m-%d %H:%M}" if found.ends_at else ""
            click.echo(f"It gives {found.gives}{until}, of {found.offer}.")
    return 0 if found.good or found.kept or key is None else 1
