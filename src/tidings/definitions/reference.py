"""The reference pages and JSON Schemas, written from the same tables that read the files."""

from __future__ import annotations

import json
from typing import Any

from tidings.definitions.behaviour import DID, DID_NOT
from tidings.definitions.phrases import PHRASES, WORDS
from tidings.definitions.readers import (
    attributes,
    attribution,
    campaign,
    channel,
    columns,
    company_goals,
    events,
    flow,
    goal,
    goods,
    holidays,
    importing,
    ladder,
    layout,
    policies,
    scores,
    segment,
    spending,
    staff,
    starting,
    stepping,
    variants,
    workspace,
)
from tidings.definitions.schema import Keys

# page: (file, its heading, what it says first, its tables of keys; the first table is the file itself)
_PAGES: tuple[tuple[str, str, str, tuple[tuple[str, Keys], ...]], ...] = (
    ("segment", "Segments", "`segments/NAME.yaml` says who is selected. Lists of conditions mean *all*; the lines of `except` mean *any*.", (("A segment", segment.KEYS), ("A condition with `did`", DID), ("A condition with `did_not`", DID_NOT))),
    ("campaign", "Campaigns", "`campaigns/NAME.yaml` is one promotion: audience, message, variants, holdout, goal.", (("A campaign", campaign.KEYS), ("A variant", variants.VARIANT_KEYS), ("A goal", goal.KEYS))),
    ("flow", "Flows", "`flows/NAME.yaml` is one journey: what starts it for a customer, and named steps in their order. A step is due `after` the step before (at once without it), is passed over when its `when` does not hold, and does one thing.", (("A flow", flow.KEYS), ("A start", starting.START_KEYS), ("A step", stepping.STEP_KEYS), ("A wait", stepping.WAIT_KEYS))),
    ("channel", "Channels", "`channels/NAME.yaml` binds an adapter; its file name is what `via` says.", (("A channel", channel.KEYS),)),
    ("import", "Imports", "`config/imports/NAME.yaml`, or a file anywhere, says how a CSV file is read.", (("Customers", importing.CUSTOMERS), ("Events", importing.EVENTS), ("A test run elsewhere", importing.EXPERIMENT), ("Costs of ads", spending.COSTS), ("Touches of ads and of meetings", spending.TOUCHES), ("Products", goods.PRODUCTS), ("Stock", goods.STOCK), ("A column", columns.COLUMN_KEYS), ("An amount of money", columns.AMOUNT_KEYS), ("What a customer is known by", spending.WHO_KEYS), ("A row of sums", layout.TOTAL_KEYS), ("An item of an order", importing.ITEM_KEYS), ("Returns", importing.RETURNS_KEYS), ("A consent", importing.CONSENT_KEYS))),
    ("workspace", "The workspace", "`config/workspace.yaml` says who we are, our clock and our environments.", (("The workspace", workspace.KEYS), ("An environment", workspace.ENVIRONMENT_KEYS), ("The papers", workspace.PAPERS_KEYS), ("The recommendations", workspace.RECOMMENDATIONS_KEYS))),
    ("policies", "Policies", "`config/policies.yaml` holds the purposes and the rules that stand over every message.", (("The policies", policies.KEYS), ("A purpose", policies.PURPOSE_KEYS), ("An open case", policies.CASE_KEYS))),
    ("staff", "Staff", "`config/staff.yaml`: below its title, each key is the name of a person whom flows can give a task; `NAME: ADDRESS` is short for `NAME: {email: ADDRESS}`.", (("A person", staff.KEYS),)),
    ("holidays", "Holidays", "`config/holidays.yaml` holds days off, and days at the weekend that are worked in exchange.", (("The holidays", holidays.KEYS),)),
    ("attributes", "Attributes", "`config/attributes.yaml`: below its title, each key is the name of an attribute; `NAME: TYPE` is short for `NAME: {type: TYPE}`.", (("An attribute", attributes.KEYS),)),
    ("events", "Events", "`config/events.yaml`: below its title, each key is the name of an event.", (("An event", events.KEYS), ("A property", events.PROPERTY_KEYS))),
    ("attribution", "Attribution", "`config/attribution.yaml` says for which events credit is given, how far back touches count and how credit is shared. Credit is not effect: what a campaign caused is measured against those held out.", (("The attribution", attribution.KEYS), ("The shares of the ends", attribution.POSITION_KEYS))),
    ("goals", "Goals of the company", "`config/goals.yaml`: below its title, each key is the name of a goal, but for `ladder`. Campaigns and flows name the goal that they are for under `serves`.\n\nMeasured from the first day through the last: of money `revenue` and `margin`, net of returns, and `credited_revenue`, the credit of the campaigns and flows that serve the goal; of customers `customers` that there are, `active_customers` who ordered, `new_customers` whose first order it was, `retained_share` of those active in the equally long time before who are active again, and `orders`; of a project `done`, which its owner keeps up.", (("A goal", company_goals.KEYS), ("The file", company_goals.FILE_KEYS), ("A step of the ladder", ladder.RUNG_KEYS))),
    ("scores", "Scores", "`config/scores.yaml`: below its title, each key is the name of a score, the chance that a customer does something soon. Segments put customers in order by it under `rank`.", (("A score", scores.KEYS),)),
)  # fmt: skip
NOTE = "<!-- written by `tidings docs --write docs/reference`; edit the sources instead -->\n\n"


def pages() -> dict[str, str]:
    """Return every generated page of the definitions by its path below docs/reference/."""
    written = {f"{name}.md": _page(title, first, tables) for name, title, first, tables in _PAGES}
    written["phrases.md"] = _phrases()
    for name, schema in schemas().items():
        written[f"schemas/{name}.json"] = json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
    return written


def titles() -> list[tuple[str, str]]:
    """Return the pages and their headings, in reading order."""
    listed = [(f"{name}.md", title) for name, title, _, _ in _PAGES]
    return [*listed, ("phrases.md", "Phrases")]


def schemas() -> dict[str, dict[str, Any]]:
    """Return a JSON Schema (2020-12) per kind of file, for editors."""
    found: dict[str, dict[str, Any]] = {}
    for name, title, _, tables in _PAGES:
        if name == "import":
            body: dict[str, Any] = {"oneOf": [keys.schema() for keys in importing.BY_KIND.values()]}
        elif name in ("attributes", "events", "staff"):
            entry = {"anyOf": [{"type": ["string", "null"]}, tables[0][1].schema()]}
            body = {"type": "object", "properties": {name: {"type": "string"}}, "additionalProperties": entry}
        elif name in ("goals", "scores"):
            fixed = (
                company_goals.FILE_KEYS.schema()
                if name == "goals"
                else {"properties": {name: {"type": "string"}}}
            )
            body = {**fixed, "type": "object", "additionalProperties": tables[0][1].schema()}
        else:
            body = tables[0][1].schema()
        found[name] = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **body}
    return found


def _page(title: str, first: str, tables: tuple[tuple[str, Keys], ...]) -> str:
    parts = [f"# {title}\n\n{NOTE}{first}\n"]
    for heading, keys in tables:
        parts.append(
            f"\n## {heading}\n\n| key | stands there | means | example |\n| --- | --- | --- | --- |\n"
        )
        for key in keys.keys:
            needed = " (needed)" if key.required else f" (else {key.default})" if key.default else ""
            parts.append(
                f"| `{key.name}` | {cell(key.reader.says)}{cell(needed)} | {cell(key.means)} | `{cell(key.example)}` |\n"
            )
        if keys.later:
            names = ", ".join(f"`{name}`" for name in sorted(keys.later))
            parts.append(f"\nNot supported by this version: {names}.\n")
    return "".join(parts)


def _phrases() -> str:
    heading = (
        f"# Phrases\n\n{NOTE}What may stand after an attribute, a property or a column. "
        "A comparison never holds for an unknown value; `not` is the complement and so includes it. "
        "Days are calendar days on the workspace clock.\n\n"
        "| written | said of | means |\n| --- | --- | --- |\n"
    )
    lines = [heading]
    lines += [f"| `{cell(word)}` | every type | {cell(means)} |\n" for word, means in WORDS]
    for phrase in PHRASES:
        types = ", ".join(kind for kind in phrase.types if kind != "cell")
        lines.append(f"| `{cell(phrase.example)}` | {types} | {cell(phrase.means)} |\n")
    return "".join(lines)


def cell(text: str) -> str:
    """Return a text fit to stand in a table of Markdown."""
    return text.replace("|", "\\|").replace("\n", " ")
