"""A workspace folder to definitions: every problem of every file in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tidings.definitions.composing import compose
from tidings.definitions.context import (
    MOST_PROBLEMS,
    AnyName,
    Context,
    TooManyProblems,
    Unreadable,
    Vocabulary,
)
from tidings.definitions.files import (
    ATTRIBUTES_FILE,
    ATTRIBUTION_FILE,
    BESIDE_RUNS,
    EVENTS_FILE,
    GOALS_FILE,
    HOLIDAYS_FILE,
    POLICIES_FILE,
    SCORES_FILE,
    STAFF_FILE,
    WORKSPACE_FILE,
    Listing,
    decoded,
    list_files,
    read_file,
)
from tidings.definitions.kinds.flow import Staff
from tidings.definitions.kinds.importing import Import
from tidings.definitions.kinds.measuring import CompanyGoals
from tidings.definitions.kinds.rules import Attributes, Events, Policies
from tidings.definitions.kinds.timing import Holidays
from tidings.definitions.nodes import Node
from tidings.definitions.opening import check_first_key
from tidings.definitions.readers import (
    attributes,
    attribution,
    campaign,
    channel,
    company_goals,
    events,
    flow,
    holidays,
    importing,
    policies,
    scores,
    segment,
    staff,
    workspace,
)
from tidings.definitions.readers.later import flows_with_segments, with_segments
from tidings.definitions.references import check_circles, check_experiments, media_of
from tidings.definitions.salvage import salvaged
from tidings.definitions.source import SourceFile
from tidings.definitions.workspace import Definitions
from tidings.errors import DefinitionErrors, Position, Problem

T = TypeVar("T")


def load(root: Path) -> Definitions:
    """Return the definitions of a workspace folder.

    Raises DefinitionErrors with all problems when there is any; warnings alone do not keep it from loading.
    """
    return _loaded(_Reading(root))


def load_apart(root: Path) -> Definitions:
    """Return the definitions of a folder that holds the files of one campaign or flow, kept apart from their workspace.

    What the company wants and how credit is shared are not among them, so names of goals are not looked up; nor are those of
    scores where no file of scores is kept. Raises DefinitionErrors as `load` does.
    """
    reading = _Reading(root)
    reading.apart = True
    return _loaded(reading)


def _loaded(reading: _Reading) -> Definitions:
    definitions = reading.everything()
    errors = dict.fromkeys(one for one in reading.problems if one.severity == "error")
    if definitions is None or errors:
        raise DefinitionErrors(sorted(errors, key=lambda problem: (problem.at, problem.code)))
    return definitions


def check(root: Path, instead: Mapping[str, bytes] | None = None) -> tuple[Definitions | None, list[Problem]]:
    """Return the definitions (None when there is an error) and every problem, sorted by file and line.

    `instead` gives files of the workspace, by relative path, other bytes than those on the disk.
    """
    reading = _Reading(root)
    reading.instead = instead or {}
    definitions = reading.everything()
    problems = sorted(dict.fromkeys(reading.problems), key=lambda problem: (problem.at, problem.code))
    failed = any(problem.severity == "error" for problem in problems)
    return (None if failed else definitions), problems


def readable(root: Path, *, despite_workspace: bool = False) -> tuple[Definitions, tuple[Problem, ...]]:
    """Return what can be read of a workspace although some of its files are broken, and the errors of those.

    For commands that work on what is stored and must work on a bad day, too: stopping, looking. A definition whose file has an
    error is not among them at all, and policies that cannot be read are empty, so nothing may be planned or sent by these.
    Raises DefinitionErrors when config/workspace.yaml itself cannot be read, for it names the store; with
    `despite_workspace` that is read key by key, for commands that need nothing of it but the store.
    """
    reading = _Reading(root)
    definitions = reading.everything(despite_policies=True, despite_workspace=despite_workspace)
    errors = dict.fromkeys(one for one in reading.problems if one.severity == "error")
    if definitions is None:
        own = [one for one in errors if one.at.path == WORKSPACE_FILE]
        raise DefinitionErrors(own or errors)
    found = tuple(sorted(errors, key=lambda problem: (problem.at, problem.code)))
    return (_without(definitions, {one.at.path for one in found}) if found else definitions), found


def _without(definitions: Definitions, broken: AbstractSet[str]) -> Definitions:
    """Return the definitions without those of broken files: half of what somebody meant is not what they meant."""
    every = definitions
    return replace(
        every,
        segments={name: one for name, one in every.segments.items() if one.path not in broken},
        campaigns={name: one for name, one in every.campaigns.items() if one.path not in broken},
        flows={name: one for name, one in every.flows.items() if one.path not in broken},
        channels={name: one for name, one in every.channels.items() if one.path not in broken},
        imports={name: one for name, one in every.imports.items() if one.path not in broken},
    )


def load_import(path: Path, definitions: Definitions) -> Import:
    """Return an import mapping from any path, checked against the vocabulary of a workspace.

    Raises DefinitionErrors with all its problems.
    """
    reading = _Reading(Path(definitions.root))
    reading.vocabulary = vocabulary_of(definitions)
    file = read_file(path, str(path), reading.problems)
    mapping = None
    if file is not None:
        mapping = reading.read(file, "import", lambda node, context: importing.read(node, context, path.stem))
    errors = [problem for problem in reading.problems if problem.severity == "error"]
    if errors or mapping is None:
        raise DefinitionErrors(errors)
    return mapping


def vocabulary_of(definitions: Definitions) -> Vocabulary:
    """Return the names that loaded definitions offer to others."""
    return Vocabulary(
        currency=definitions.workspace.currency,
        locale=definitions.workspace.locale,
        attributes={one.name: one for one in definitions.attributes.attributes},
        events={one.name: one for one in definitions.events.events},
        segments={name: one.path for name, one in definitions.segments.items()},
        channels=dict(definitions.channels),
        campaigns=set(definitions.campaigns),
        flows=set(definitions.flows),
        purposes={one.name for one in definitions.policies.purposes},
        topics={one.name: one.topics for one in definitions.policies.purposes},
        templates=definitions.templates,
        segment_rules=dict(definitions.segments),
        staff={one.name: one for one in definitions.staff.people},
        goals={one.id: one for one in definitions.goals.goals} if definitions.goals else {},
        scores=dict(definitions.scores),
        media=media_of(definitions.imports.values()),
    )


def _too_many(file: SourceFile) -> Problem:
    at = Position(file.path, max(len(file.lines), 1))
    return Problem(
        "FIL10", f"only the first {MOST_PROBLEMS} problems of this file are said", at, "mend these first"
    )


class _Reading:
    """One pass over a workspace: vocabulary first, then what refers to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.vocabulary = Vocabulary()
        self.sources: dict[str, SourceFile] = {}
        self.instead: Mapping[str, bytes] = {}
        self.apart = False

    def everything(
        self, *, despite_policies: bool = False, despite_workspace: bool = False
    ) -> Definitions | None:
        """Read every file; return the definitions, or None when workspace or policies could not be read.

        With `despite_policies` those that could not be read are empty, with `despite_workspace` the workspace is what
        can be read of it.
        """
        listing = list_files(self.root, self.problems)
        if WORKSPACE_FILE not in listing.config:
            return None
        known = self.vocabulary
        if self.apart:
            listing.config -= BESIDE_RUNS
            known.goals, known.scores = AnyName(), AnyName()
        known.templates = listing.templates
        known.segments = dict(listing.folders["segments"])
        known.channels = dict.fromkeys(listing.folders["channels"])
        known.campaigns = set(listing.folders["campaigns"])
        known.flows = set(listing.folders["flows"])
        place = self._open(WORKSPACE_FILE, "workspace", workspace.read)
        if place is None and despite_workspace:
            place = salvaged((self.root / WORKSPACE_FILE).read_bytes())
        if place is not None:
            known.currency, known.locale = place.currency, place.locale
        self._read_vocabulary(listing)
        rules = (
            self._open(POLICIES_FILE, "policies", policies.read) if POLICIES_FILE in listing.config else None
        )
        if rules is not None:
            known.purposes = {one.name for one in rules.purposes}
            known.topics = {one.name: one.topics for one in rules.purposes}
            known.no_holdout = frozenset(
                one.name
                for one in rules.purposes
                if one.holdout is not None and one.holdout.basis_points == 0
            )
        people = self._open(STAFF_FILE, "staff", staff.read) if STAFF_FILE in listing.config else {}
        known.staff = AnyName() if people is None else people
        days = (
            self._open(HOLIDAYS_FILE, "holidays", holidays.read) if HOLIDAYS_FILE in listing.config else None
        )
        wanted = self._read_wishes(listing)
        channels = self._each(listing.folders["channels"], "channel", channel.read)
        known.channels.update(channels)
        segments = self._each(listing.folders["segments"], "segment", segment.read)
        known.segment_rules = segments
        campaigns = self._each(listing.folders["campaigns"], "campaign", campaign.read)
        campaigns = with_segments(campaigns, segments)
        flows = self._each(listing.folders["flows"], "flow", flow.read)
        flows = flows_with_segments(flows, segments)
        imports = self._each(listing.folders["config/imports"], "import", importing.read)
        unread = len(imports) < len(listing.folders["config/imports"])
        known.media = None if unread else media_of(imports.values())
        credit = (
            self._open(ATTRIBUTION_FILE, "attribution", attribution.read)
            if ATTRIBUTION_FILE in listing.config
            else None
        )
        self.problems += check_circles(segments, self.sources)
        self.problems += check_experiments(imports, self.sources)
        if rules is None and despite_policies:
            rules = Policies(())
        if place is None or rules is None:
            return None
        return Definitions(
            root=str(self.root),
            workspace=place,
            policies=rules,
            attributes=Attributes(tuple(one for one in known.attributes.values() if one)),
            events=Events(tuple(one for one in known.events.values() if one)),
            segments=segments,
            campaigns=campaigns,
            flows=flows,
            channels=channels,
            imports=imports,
            files={path: source.content for path, source in sorted(self.sources.items())},
            templates=listing.templates,
            staff=Staff(tuple(one for one in known.staff.values() if one)),
            holidays=days or Holidays(),
            scores={name: one for name, one in known.scores.items() if one},
            attribution=credit,
            goals=wanted,
        )

    def read(self, file: SourceFile, kind: str, reader: Callable[[Node, Context], T]) -> T | None:
        """Return what a decoded file says, or None after reporting why it says nothing."""
        root, problems = compose(file)
        if len(problems) > MOST_PROBLEMS:
            self.problems += [*problems[:MOST_PROBLEMS], _too_many(file)]
            return None
        self.problems += problems
        if root is None:
            if not problems:
                at = Position(file.path)
                hint = f"its first line would be `{kind}: TITLE`"
                self.problems.append(file.problem("FIL09", at, "this file is empty", hint))
            return None
        context = Context(file, self.vocabulary, self.problems)
        try:
            check_first_key(root, kind, context)
            return reader(root, context)
        except Unreadable:
            return None
        except TooManyProblems:
            self.problems.append(_too_many(file))
            return None

    def _read_vocabulary(self, listing: Listing) -> None:
        """Read attributes and events; when a file cannot be read at all, any name may be one of its own."""
        if ATTRIBUTES_FILE in listing.config:
            found = self._open(ATTRIBUTES_FILE, "attributes", attributes.read)
            self.vocabulary.attributes = AnyName() if found is None else found
        if EVENTS_FILE in listing.config:
            read = self._open(EVENTS_FILE, "events", events.read)
            self.vocabulary.events = AnyName() if read is None else read

    def _read_wishes(self, listing: Listing) -> CompanyGoals | None:
        """Read scores, goals and the ladder, so that segments, campaigns and flows can be asked whether they name one."""
        if SCORES_FILE in listing.config:
            found = self._open(SCORES_FILE, "scores", scores.read)
            self.vocabulary.scores = AnyName() if found is None else found
        if GOALS_FILE not in listing.config:
            return None
        read = self._open(GOALS_FILE, "goals", company_goals.read)
        self.vocabulary.goals = AnyName() if read is None else read[1]
        return read[0] if read else None

    def _open(self, path: str, kind: str, reader: Callable[[Node, Context], T]) -> T | None:
        if path in self.instead:
            file: SourceFile | None = decoded(path, self.instead[path], self.problems)
        else:
            file = read_file(self.root / path, path, self.problems)
        if file is None:
            return None
        self.sources[path] = file
        return self.read(file, kind, reader)

    def _each(
        self, listed: dict[str, str], kind: str, reader: Callable[[Node, Context, str], T]
    ) -> dict[str, T]:
        found: dict[str, T] = {}
        for name, path in listed.items():
            one = self._open(path, kind, lambda node, context, name=name: reader(node, context, name))  # type: ignore[misc]
            if one is not None:
                found[name] = one
        return found
