"""The order of a flow's steps: every jump leads on to a step that is there, and every step can be come to."""

from __future__ import annotations

from collections.abc import Iterator

from tidings.definitions.context import Context, did_you_mean
from tidings.definitions.kinds.flow import Flow, Step
from tidings.definitions.nodes import Mapping, Node
from tidings.definitions.schema import key_trap

END = "end"


def check_order(flow: Flow, steps: Mapping, context: Context) -> None:
    """Report jumps that lead nowhere, back or to a step that stands in another's place, and steps that nobody comes to."""
    places = {step.name: number for number, step in enumerate(flow.steps)}
    sound = True
    for step in flow.steps:
        node = steps.entries[step.name].value
        assert isinstance(node, Mapping)
        for target, at in _jumps(step, node):
            sound &= _leads_on(flow, step, target, at, places, context)
        if step.instead_of:
            sound &= _alternative(flow, step, node, places, context)
        if step.wait_for and step.wait_for.of:
            waited = node.entries["wait_for"].value
            assert isinstance(waited, Mapping)
            sound &= _answers(flow, step, waited.entries["of"].value, places, context)
    if not sound:
        return
    reached = reachable(flow)
    for step in flow.steps:
        if step.name not in reached:
            context.report(
                "FLW01", steps.entries[step.name].key, f'nobody comes to the step "{step.name}"', _why(flow, step)
            )  # fmt: skip


def reachable(flow: Flow) -> set[str]:
    """Return the names of the steps that somebody can come to, whatever holds for them."""
    waiting = [flow.steps[0].name] if not flow.steps[0].instead_of else []
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found and name != END:
            found.add(name)
            waiting += successors(flow, name)
    return found


def successors(flow: Flow, name: str) -> list[str]:
    """Return where a journey may go on from a step: `end` among them where it may end there."""
    number = next(number for number, step in enumerate(flow.steps) if step.name == name)
    step = flow.steps[number]
    following = following_step(flow, number)
    on = [step.then or following]
    if step.verb == END:
        on = [END]
    elif step.verb == "split":
        on = [target for target, _ in step.split]
    elif step.wait_for:
        on.append(step.wait_for.if_not or following)
    if can_be_passed(step):
        on.append(instead_of(flow, name) or following)
    return on


def following_step(flow: Flow, number: int) -> str:
    """Return the next step in the file that stands in nobody's place, or `end`."""
    return next((step.name for step in flow.steps[number + 1 :] if not step.instead_of), END)


def instead_of(flow: Flow, name: str) -> str:
    """Return the step that a journey goes to when it passes over one, or an empty text."""
    return next((step.name for step in flow.steps if step.instead_of == name), "")


def can_be_passed(step: Step) -> bool:
    """Tell whether a step may not be reached by somebody who comes to it."""
    return bool(step.when) or step.wait_until is not None


def _jumps(step: Step, node: Mapping) -> Iterator[tuple[str, Node]]:
    if step.then:
        yield step.then, node.entries["then"].value
    if step.wait_for and step.wait_for.if_not:
        yield step.wait_for.if_not, node.entries["if_not"].value
    if step.split:
        ways = node.entries["split"].value
        assert isinstance(ways, Mapping)
        for target, _ in step.split:
            yield target, ways.entries[target].key


def _known(name: str, at: Node, places: dict[str, int], context: Context) -> bool:
    if name in places:
        return True
    from tidings.definitions.nodes import Scalar

    if not isinstance(at, Scalar) or not key_trap(name, at, context, list(places)):
        context.report("FLW04", at, f'there is no step "{name}"', did_you_mean(name, list(places)))
    return False


def _leads_on(
    flow: Flow, step: Step, target: str, at: Node, places: dict[str, int], context: Context
) -> bool:
    if target == END:
        return True
    if not _known(target, at, places, context):
        return False
    if places[target] <= places[step.name]:
        where = "to itself" if target == step.name else f'back to "{target}"'
        context.report(
            "FLW03", at, f"this leads {where}; a flow only leads on, so that nobody walks in a circle",
            "name a later step, or end; who should walk it once more is for `again:`",
        )  # fmt: skip
        return False
    if flow.steps[places[target]].instead_of:
        other = flow.steps[places[target]].instead_of
        context.report(
            "FLW03", at, f'"{target}" is come to only by those who passed over "{other}"', "name another step, or delete its instead_of"
        )  # fmt: skip
        return False
    return True


def _alternative(flow: Flow, step: Step, node: Mapping, places: dict[str, int], context: Context) -> bool:
    at = node.entries["instead_of"].value
    if not _known(step.instead_of, at, places, context):
        return False
    if places[step.instead_of] >= places[step.name]:
        where = "itself" if step.instead_of == step.name else f'"{step.instead_of}", which comes later'
        context.report("FLW03", at, f"this step stands in the place of {where}", "name an earlier step")
        return False
    other = flow.steps[places[step.instead_of]]
    if not can_be_passed(other):
        context.report(
            "FLW05", at, f'nobody passes over "{other.name}": it has no "when"', f'write when: under "{other.name}", or delete this line'
        )  # fmt: skip
        return False
    return True


def _answers(flow: Flow, step: Step, at: Node, places: dict[str, int], context: Context) -> bool:
    assert step.wait_for is not None
    if not _known(step.wait_for.of, at, places, context):
        return False
    other = flow.steps[places[step.wait_for.of]]
    if places[other.name] >= places[step.name] or other.verb != "send":
        sends = [one.name for one in flow.steps[: places[step.name]] if one.verb == "send"]
        context.report(
            "FLW03", at, f'"{other.name}" has sent nothing by then that could be answered',
            f"name an earlier step that sends: {', '.join(sends)}" if sends else "name an earlier step that sends",
        )  # fmt: skip
        return False
    return True


def _why(flow: Flow, step: Step) -> str:
    """Return what keeps everybody from a step, and the way out."""
    if step.instead_of:
        first = instead_of(flow, step.instead_of)
        if first != step.name:
            return f'"{first}" stands in the place of "{step.instead_of}" already; write instead_of: {first}, with a `when:` there'
        return f'nobody comes to "{step.instead_of}" either'
    return "the steps before it all lead elsewhere; name it in then:, if_not: or split:, or delete it"
