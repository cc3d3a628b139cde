"""`tidings tasks`: the tasks that flows set for people, and what they answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from tidings.cli.options import ListsByDefault, environment_option, examples, json_option

if TYPE_CHECKING:
    from tidings.flows.journeys.tasks import Task


@click.group(
    cls=ListsByDefault,
    epilog=examples(
        "tidings tasks",
        "tidings tasks --person sales --json",
        'tidings tasks accept 12 --note "Calling on Monday"',
        "tidings tasks done 12",
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
def command() -> None:
    """List the tasks that flows set for people, or answer one.

    A step with `notify:` sets a task; the person of config/staff.yaml gets it by e-mail, and its flow's owner is told once
    when nobody has answered by the time it is due. An answer is an event of the customer (task_accepted, task_returned,
    task_done), for which a flow can wait.
    """


@command.command(
    "list", epilog=examples("tidings tasks list --person sales", "tidings tasks list --all --json")
)
@click.option("--person", metavar="NAME", default="", help="Only those of one person of config/staff.yaml.")
@click.option("--all", "everything", is_flag=True, help="Also those that are returned, done or withdrawn.")
@click.option("--cards", is_flag=True, help="Show the card of each.")
@environment_option
@json_option
def list_command(
    *, person: str, everything: bool, cards: bool, environment: str | None, as_json: bool
) -> int:
    """List the tasks that wait or are accepted, those that are due first at the top.

    \b
    With --json a list of:
      task, flow, step, customer, person
      state                  open, accepted, returned, done or withdrawn
      created_at, due_at     due_at is null where the step says no `due`
      answer                 the note that came with the answer
      mail                   planned, started, sent, in_doubt or failed
      escalated              whether its owner was to be told
      card                   what the person reads
    """  # noqa: D301
    from tidings.cli.session import open_session
    from tidings.flows.journeys.tasks import list_tasks

    with open_session(environment, need_vocabulary=False, despite_problems=True) as session:
        found = list_tasks(session.store, person=person, everything=everything)
        zone = ZoneInfo(session.settings.definitions.workspace.zone)
    if as_json:
        click.echo(json.dumps([one.as_json() for one in found], indent=2, ensure_ascii=False))
        return 0
    if not found:
        click.echo(f"There is no task for {person}." if person else "There is no task.")
        return 0
    for one in found:
        _tell(one, zone)
        if cards:
            click.echo("\n".join(f"    {line}".rstrip() for line in one.card.splitlines()) + "\n")
    return 0


def _tell(task: Task, zone: ZoneInfo) -> None:
    due = f", due {task.due_at.astimezone(zone):%Y-%m-%d %H:%M}" if task.due_at else ""
    more = ", the owner was told" if task.escalated else ""
    more += f", mail {task.mail.replace('_', ' ')}" if task.mail in ("in_doubt", "failed") else ""
    click.echo(
        f"{task.id:>6}  {task.state:<9} {task.person:<16} {task.customer:<16} {task.flow}.{task.step}{due}{more}"
    )


def _answering(how: str, words: str) -> click.Command:
    """Return the command of one answer."""

    @click.command(how, help=words, epilog=examples(f'tidings tasks {how} 12 --note "Called on Monday"'))
    @click.argument("task", type=int)
    @click.option(
        "--note", default="", metavar="TEXT", help="What you want to say about it; kept with the task."
    )
    @environment_option
    def answer(task: int, note: str, environment: str | None) -> int:
        import getpass

        from tidings.cli.session import open_session
        from tidings.flows.journeys.tasks import answer_task

        with open_session(environment, need_vocabulary=False, despite_problems=True) as session:
            state = answer_task(
                session.store, task, how, note=note, actor=getpass.getuser(), now=session.clock.now()
            )
        click.echo(f"task {task} is {state}")
        return 0

    return answer


command.add_command(_answering("accept", "Take a task over (task_accepted)."))
command.add_command(
    _answering("return", "Give a task back: it is not for you, or not worth it (task_returned).")
)
command.add_command(_answering("done", "Say that a task is done (task_done)."))
