"""config/workspace.yaml: who we are, our clock, our environments."""

from __future__ import annotations

import re

from tidings.definitions.context import Context
from tidings.definitions.kinds.recommending import MOST, Recommendations
from tidings.definitions.kinds.rules import Environment, Papers, Workspace
from tidings.definitions.nodes import Entry, Node, Scalar
from tidings.definitions.quantities import DURATION
from tidings.definitions.readers.timing import EVERY
from tidings.definitions.schema import Key, Keys, Reader, each_entry, expect_mapping, expect_scalar, list_of
from tidings.definitions.source import is_variable_name
from tidings.definitions.texts import CURRENCY, FLAG, LOCALE, TEXT, ZONE, check_name, matching, one_of, whole
from tidings.definitions.values import Duration

DEVELOPMENT_STORE = "sqlite:///.tidings/development.sqlite"
_STORE = re.compile(r"(sqlite:///|postgresql(\+psycopg)?://)\S+\Z")


def _store(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "the address of a store")
    if re.search(r"://[^/\s]*:[^/\s]*@", scalar.text):
        raise context.report(
            "SEC01", node, "this address holds a password, and this file is no place for one",
            "write `store_from: TIDINGS_STORE` and put the address into that environment variable",
        )  # fmt: skip
    if not _STORE.match(scalar.text):
        raise context.report(
            "VAL07", scalar, f'"{scalar.text}" is not the address of a store',
            f"write {DEVELOPMENT_STORE} or postgresql://host/database",
        )  # fmt: skip
    return scalar.text


def _variable(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "the NAME of an environment variable")
    if is_variable_name(scalar.text):
        return scalar.text
    raise context.report(
        "SEC01",
        node,
        "this is not the name of an environment variable",
        "write a NAME in capitals, such as TIDINGS_STORE",
    )


_ENVIRONMENT = Keys(
    "an environment",
    (
        Key("store", Reader(_store, "the address of a store", {"type": "string"}), "Where it keeps its data.", f"store: {DEVELOPMENT_STORE}"),
        Key("store_from", Reader(_variable, "the NAME of an environment variable", {"type": "string"}), "The NAME of the environment variable that holds the address.", "store_from: TIDINGS_STORE"),
        Key("outbox", FLAG, "Messages become files in .tidings/outbox instead of being sent.", "outbox: true", default="false"),
    ),
)  # fmt: skip


def _environment(entry: Entry, context: Context) -> Environment:
    check_name(entry.key, context)
    name = entry.key.text
    if isinstance(entry.value, Scalar) and entry.value.value is None and name == "development":
        return Environment(name, store=DEVELOPMENT_STORE, outbox=True)
    values = _ENVIRONMENT.read(entry.value, context)
    if ("store" in values) == ("store_from" in values):
        raise context.report(
            "KEY07", entry.key, f'the environment {name} needs "store" or "store_from", and only one of them',
            "store_from: TIDINGS_STORE",
        )  # fmt: skip
    return Environment(
        name, values.get("store", ""), values.get("store_from", ""), values.get("outbox", False)
    )


def _environments(node: Node, context: Context) -> tuple[Environment, ...]:
    return each_entry(expect_mapping(node, context, '"environments"'), context, _environment)


_ADDRESS = matching(r"[^<>@\s]+@[^<>@\s]+", "an e-mail address", "anna@shop.example")
PAPERS_KEYS = Keys(
    "the papers",
    (
        Key("every", EVERY, "When the page is mailed, on the workspace clock.", "every: week on Mon at 08:00", required=True),
        Key("to", list_of(_ADDRESS, "the list of readers", or_one=True, once=True), "Who reads it: addresses of our own people.", "to: [anna@shop.example]", default="all who own a goal, a campaign or a flow"),
    ),
)  # fmt: skip


def _papers(node: Node, context: Context) -> Papers:
    values = PAPERS_KEYS.read(node, context)
    return Papers(values["every"], values.get("to", ()))


def _days(node: Node, context: Context) -> Duration:
    found = DURATION.read(node, context)
    if found.unit.exact:
        raise context.report(
            "PHR02", node, f'"{found}" is too short here: it is counted in days', "write 30 days"
        )
    return found


_DAYS = Reader(_days, "a length of time such as 90 days", DURATION.schema)
RECOMMENDATIONS_KEYS = Keys(
    "the recommendations",
    (
        Key("show", whole(1, MOST), "The most products that one message gets.", "show: 3", default="4"),
        Key("learnt_from", _DAYS, "The orders of so long say what is bought together.", "learnt_from: 6 months", default="1 year"),
        Key("at_least", whole(2, 1000), "How many people must have bought two products before one recommends the other.", "at_least: 5", default="3"),
        Key("not_again_within", _DAYS, "What a customer bought so lately is not recommended.", "not_again_within: 60 days", default="1 year"),
        Key("best_sellers_of", _DAYS, "The best sellers of so long fill up what is missing.", "best_sellers_of: 14 days", default="30 days"),
    ),
)  # fmt: skip


def _recommendations(node: Node, context: Context) -> Recommendations:
    return Recommendations(**RECOMMENDATIONS_KEYS.read(node, context))


COUNTRY = matching(r"[A-Z]{2}", "a country code of two capitals", "SE")
KEYS = Keys(
    "a workspace",
    (
        Key("workspace", TEXT, "The name that people see.", "workspace: Nordic Garden", required=True),
        Key("id", matching(r"[a-z][a-z0-9-]{0,62}", "an id of lower-case letters, digits and -", "nordic-garden"), "One store belongs to one workspace; the store records this id.", "id: nordic-garden", required=True),
        Key("zone", ZONE, "The workspace clock.", "zone: Europe/Stockholm", required=True),
        Key("salt", matching(r"\S{8,200}", "a salt of at least 8 signs without spaces", "nordic-garden-2027"), "Draws customers into arms; changed only for a new, empty store.", "salt: nordic-garden-2027", required=True),
        Key("currency", CURRENCY, "The currency of amounts that name none.", "currency: EUR", required=True),
        Key("country", COUNTRY, "How phone numbers without a country code are read.", "country: SE"),
        Key("locale", LOCALE, "The language for customers whose own is not known.", "locale: en", default="en"),
        Key("public_url", matching(r"https?://[^\s/?#@]+(/[^\s?#]*)?", "a web address", "https://news.shop.example"), "Where links, pixels and unsubscribe pages lead.", "public_url: https://news.shop.example", default="http://127.0.0.1:8200"),
        Key("postal_address", TEXT, "Stands in the foot of every marketing e-mail.", "postal_address: Storgatan 1, 111 51 Stockholm, Sweden"),
        Key("clock", one_of(["embedded", "prefect"]), "Who wakes scheduled work: our own clock on one machine, or Prefect on several.", "clock: embedded", default="embedded"),
        Key("papers", Reader(_papers, "when the page of results is mailed, and to whom", PAPERS_KEYS.schema()), "The page of the whole company by mail: ladder, credit against effect, campaigns.", "papers: {every: week on Mon at 08:00}"),
        Key("recommendations", Reader(_recommendations, "what customers are recommended", RECOMMENDATIONS_KEYS.schema()), "Which products messages recommend.", "recommendations: {show: 3, not_again_within: 60 days}"),
        Key("dialect", whole(1, 1), "The version of this language.", "dialect: 1", default="1"),
        Key("environments", Reader(_environments, "environments by name", {"type": "object", "additionalProperties": _ENVIRONMENT.schema()}), "Where data is kept and whether messages really leave.", "environments: {production: {store_from: TIDINGS_STORE}}", default="development only, with an outbox"),
    ),
)  # fmt: skip
ENVIRONMENT_KEYS = _ENVIRONMENT


def read(node: Node, context: Context) -> Workspace:
    """Return the workspace; without a written development environment there is one with an outbox."""
    values = KEYS.read(node, context)
    environments: tuple[Environment, ...] = values.get("environments", ())
    if not any(one.name == "development" for one in environments):
        environments = (Environment("development", DEVELOPMENT_STORE, outbox=True), *environments)
    return Workspace(
        id=values["id"],
        title=values["workspace"],
        zone=values["zone"],
        salt=values["salt"],
        currency=values["currency"],
        public_url=values.get("public_url", "http://127.0.0.1:8200").rstrip("/"),
        country=values.get("country"),
        locale=values.get("locale", "en"),
        clock=values.get("clock", "embedded"),
        postal_address=values.get("postal_address", ""),
        dialect=values.get("dialect", 1),
        environments=environments,
        papers=values.get("papers"),
        recommendations=values.get("recommendations", Recommendations()),
    )
