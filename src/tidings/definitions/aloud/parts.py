"""Parts of definitions in English: one condition, what a step does, when it comes, what starts a flow."""

from __future__ import annotations

from tidings.definitions.aloud import BUILT_IN
from tidings.definitions.aloud.english_flows import EnglishFlows
from tidings.definitions.aloud.names import Names
from tidings.definitions.conditions import Condition, DidCondition
from tidings.definitions.kinds.campaign import Goal
from tidings.definitions.kinds.flow import Flow, Step
from tidings.definitions.kinds.rules import KNOWN_EVENTS
from tidings.definitions.kinds.timing import Recurrence
from tidings.definitions.workspace import Definitions


class Parts(EnglishFlows):
    """Says parts of definitions, to stand in a line of their own."""

    @classmethod
    def of(cls, definitions: Definitions) -> Parts:
        """Return what says the parts of a workspace's definitions."""
        return cls(Names(definitions, BUILT_IN["en"]))

    def condition(self, one: Condition) -> str:
        """Return a condition, such as `“Member level” is gold`."""
        return self._condition(one)

    def starts(self, flow: Flow) -> str:
        """Return what starts a flow, such as `when “Order placed” happens`."""
        return self._start(flow.starts)

    def walked(self, flow: Flow) -> str:
        """Return how often the same customer walks a flow."""
        return self._walked(flow.again)

    def held_out(self, flow: Flow) -> str:
        """Return who walks a flow silently, for comparison."""
        return self._held_out(flow)

    def leaves(self, flow: Flow, one: Condition) -> str:
        """Return a condition under which people leave a flow, and of what its event must be where one walks it for each."""
        return self._condition(one) + (self.same(flow, one.event) if isinstance(one, DidCondition) else "")

    def same(self, flow: Flow, event: str) -> str:
        """Return `, of the same “contract”` where the flow is walked for each contract and the event names one; else nothing."""
        declared = self.names.definitions.events.get(event) or KNOWN_EVENTS.get(event)
        each = flow.again.each if flow.again.how == "each" else ""
        return f", of the same “{each}”" if each and declared and declared.property(each) else ""

    def does(self, step: Step) -> str:
        """Return what a step does."""
        if step.verb == "wait" and step.wait_for is None:
            return "waits"
        if step.wait_for is not None:
            # Where the others go is told by the ways on.
            return self._waits(step.wait_for).partition("; who has")[0]
        return "by lot" if step.verb == "split" else self._does(step)

    def due(self, step: Step) -> str:
        """Return when a step comes, empty where it comes at once."""
        if step.after:
            return f"{step.after} after the last such event" if step.quiet else f"{step.after} later"
        return self._day(step.wait_until) if step.wait_until else ""

    def goal(self, goal: Goal) -> str:
        """Return what success is."""
        return self._goal(goal)

    def rhythm(self, recurrence: Recurrence) -> str:
        """Return how often a campaign comes, such as `every Monday at 09:00`."""
        return self._rhythm(recurrence.every)
