"""A whole workspace, loaded and checked."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.flow import Flow, Staff
from tidings.definitions.kinds.importing import Import
from tidings.definitions.kinds.measuring import Attribution, CompanyGoals, Score
from tidings.definitions.kinds.rules import Attributes, Events, Policies, Workspace
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.kinds.timing import Holidays


@dataclass(frozen=True, slots=True)
class Definitions:
    """Every definition of a workspace by its id; `files` holds the bytes of each file read, by relative path.

    `templates` lists the files under templates/, so that references are checked without opening them.
    """

    root: str
    workspace: Workspace
    policies: Policies
    attributes: Attributes = Attributes()
    events: Events = Events()
    segments: dict[str, Segment] = field(default_factory=dict)
    campaigns: dict[str, Campaign] = field(default_factory=dict)
    flows: dict[str, Flow] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    imports: dict[str, Import] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    templates: frozenset[str] = frozenset()
    staff: Staff = Staff()
    holidays: Holidays = field(default_factory=Holidays)
    scores: dict[str, Score] = field(default_factory=dict)
    attribution: Attribution | None = None
    goals: CompanyGoals | None = None
