"""What the parts of the demo share."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from tidings.cli.demo.children import Place
from tidings.cli.demo.phases import Phases
from tidings.cli.session import Session


@dataclass(slots=True)
class Stage:
    """Everything that the parts share: `calls` tells whether faxes are true calls, `customers` how many the shop has."""

    console: Console
    phases: Phases
    session: Session
    boxes: Place
    phones: Place
    tracker: str
    key: str
    calls: bool
    customers: int
