"""A flow drawn in the terminal: a box for each step, arrows on, and the ways that jump ahead named."""

from __future__ import annotations

from tidings.cli.wrapping import cells, padded, wrapped
from tidings.definitions.readers.step_order import END
from tidings.flows.explaining.standing import FlowStands, StepStands
from tidings.flows.explaining.telling import step_counts, step_words

_INDENT = "    "


def drawn(stands: FlowStands, width: int) -> list[str]:
    """Return the lines of a flow: what starts it, box after box, to the end."""
    lines = [f"  ○ {line}" if number == 0 else f"  │ {line}" for number, line in enumerate(wrapped(_upper(stands.starts), width - 4))]  # fmt: skip
    lines += ["  │", "  ▼"]
    names = [step.name for step in stands.steps]
    for number, step in enumerate(stands.steps):
        following = names[number + 1] if number + 1 < len(names) else END
        indent = _INDENT if step.instead_of else ""
        lines += [indent + line for line in _box(step, width - len(indent))]
        lines += _ways(step, following, indent)
    return [*lines, "  ● end"]


def _box(step: StepStands, width: int) -> list[str]:
    inner = width - 4
    head = f"─ {step.name} "
    lines = [f"┌{head}{'─' * (width - 2 - cells(head))}┐"]
    for text in step_words(step):
        lines += [f"│ {padded(line, inner)} │" for line in wrapped(text, inner)]
    counts = step_counts(step)
    if counts:
        lines.append(f"├{'╌' * (width - 2)}┤")
    for text in counts:
        lines += [f"│ {padded(line, inner)} │" for line in wrapped(text, inner)]
    return [*lines, f"└─┬{'─' * (width - 4)}┘"]


def _ways(step: StepStands, following: str, indent: str) -> list[str]:
    """Return the arrows below a box: down to the next one, and aside to those farther on."""
    on = [way for way in step.ways if way.to == following]
    aside = [way for way in step.ways if way.to != following]
    found = []
    for number, way in enumerate(aside):
        last = number + 1 == len(aside) and not on
        why = f" {way.why} ─" if way.why else "─"
        found.append(f"{indent}  {'╰' if last else '├'}─{why}▶ {way.to}")
    if not on:
        return [*found, ""]
    why = f" {on[0].why}" if on[0].why else ""
    return [*found, f"{indent}  │{why}", f"{indent}  ▼"]


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
