"""`tidings flow`: a flow drawn with the people at each step."""

from __future__ import annotations

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from tidings.cli.options import environment_option, examples, json_option


@click.command(
    epilog=examples(
        "tidings flow",
        "tidings flow welcome",
        "tidings flow welcome --svg welcome.svg",
        "tidings flow welcome --json",
    )
)
@click.argument("name", required=False)
@click.option(
    "--svg", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the picture here."
)
@json_option
@environment_option
def command(*, name: str | None, svg: Path | None, as_json: bool, environment: str | None) -> int:
    """Draw a flow: its steps, delays and branches, with the people at each step. Without NAME: all flows and who walks them.

    Drawn is the version that is live; one that never went live is drawn as its file says. Of each step: who is there now, who
    reached it or passed over it, its messages by state and its refusals by code. Those held out walk silently and are
    counted apart; of both arms you see who reached the goal, as `tidings report` counts it.

    \b
    With --json:
      state, version, live_since, edited, again, holdout
      entered                by arm; journeys: walking and the outcomes of those
                             ended
      counted, converted     customers, and those who reached the goal, by arm
      steps                  step, verb, does, due, only, instead_of, ways (why,
                             to), waiting and became (reached, passed, answered,
                             unanswered, left, moved) by arm, messages by state,
                             refusals by code
      waiting_elsewhere      people before a step that the flow no longer has
    Without NAME a list of:
      flow, title, state, version, live_since, walking, entered
    """  # noqa: D301
    if name is None:
        return _list(svg, environment, as_json=as_json)
    from tidings.cli.session import open_session
    from tidings.flows.explaining.standing import flow_stands
    from tidings.flows.journeys.live import find_flow

    with open_session(environment, need_vocabulary=False) as session:
        definitions = session.settings.definitions
        flow = find_flow(definitions, name)
        stands = flow_stands(session.store, definitions, flow, now=session.clock.now())
        zone = ZoneInfo(definitions.workspace.zone)
    from tidings.flows.explaining.telling import flow_lines

    when = f"{stands.live_since.astimezone(zone):%Y-%m-%d %H:%M}" if stands.live_since else ""
    lines = flow_lines(stands, when)
    if svg is not None:
        from tidings.flows.explaining.flow_svg import flow_svg

        svg.write_text(flow_svg(stands, lines), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(stands.as_json(), ensure_ascii=False, indent=2))
        return 0
    if svg is not None:
        click.echo(f"wrote {svg}; a browser shows it")
        return 0
    from tidings.cli.flow_boxes import drawn
    from tidings.cli.wrapping import hanging, padded, width_of_terminal

    width = width_of_terminal()
    click.secho(f"{stands.title} ({stands.id})", bold=True)
    for label, words in lines:
        click.echo("\n".join(hanging(f"  {padded(label, 11)}", words, width)))
    click.echo()
    click.echo("\n".join(drawn(stands, min(width, 90))))
    return 0


def _list(svg: Path | None, environment: str | None, *, as_json: bool) -> int:
    from tidings.cli.session import open_session
    from tidings.errors import UsageError
    from tidings.flows.explaining.all_flows import all_flows

    if svg is not None:
        raise UsageError("a picture is of one flow", what_to_do=f"name it: tidings flow NAME --svg {svg}")
    with open_session(environment, need_vocabulary=False) as session:
        found = all_flows(session.store, session.settings.definitions)
        zone = ZoneInfo(session.settings.definitions.workspace.zone)
    if as_json:
        click.echo(json.dumps([one.as_json() for one in found], ensure_ascii=False, indent=2))
        return 0
    if not found:
        click.echo("There is no flow. `tidings new flow NAME` makes one.")
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("flow", "state", "since", "walking", "entered", "title"):
        table.add_column(column, justify="right" if column in ("walking", "entered") else "left", overflow="fold", no_wrap=column in ("state", "since"))  # fmt: skip
    for one in found:
        since = f"{one.live_since.astimezone(zone):%Y-%m-%d}" if one.live_since else ""
        table.add_row(one.flow, one.state, since, f"{one.walking:,}" if since else "", f"{one.entered:,}" if since else "", one.title)  # fmt: skip
    Console(highlight=False, markup=False).print(table)
    return 0
