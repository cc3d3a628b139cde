"""What started a flow can be named in its messages and cards: properties of the event, typed, recorded and explained."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.flow_world import enter, flow_workspace, go_live, plan, populate
from support.ledger_workspace import rewrite
from support.ledger_world import message_rows
from tidings.campaigns.steps import with_named_step
from tidings.cli.check import workspace_problems
from tidings.cli.main import execute
from tidings.cli.session import open_session
from tidings.clock import FixedClock, to_micros
from tidings.config.settings import Settings, load_settings
from tidings.definitions.loader import load
from tidings.delivery.recorded import recorded
from tidings.delivery.running import deliver_run
from tidings.store.database import Store
from tidings.store.tables import journeys, people, sending
from tidings.tokens.keyring import KeyRing

RING = KeyRing.from_text("k1:" + "ab" * 32)
LETTER = (
    "Subject: Your basket of {{ order_total | money or 'goods' }}\n\n"
    "{{ category or 'Things' }}: {% for one in item %}{{ one }}; {% endfor %}\n"
    "{% if items %}{{ items }} pieces{% endif %}\n\nhttps://shop.example/letter\n\n"
    "{{ postal_address }}\n{{ unsubscribe_url }}\n"
)
DAY = 86_400_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = flow_workspace(tmp_path / "workspace")
    (root / "templates/care/letter/email.txt").write_text(LETTER)
    rewrite(
        root / "flows/care.yaml",
        "    via: [email, sms]\n    say:\n      opening: Thank you for buying\n",
        "    via: email\n",
    )
    (root / "templates/care/letter/sms.txt").unlink()
    return root


@pytest.fixture
def settings(root: Path) -> Settings:
    return load_settings(root, "development", variables={})


def order(
    store: Store, customer: int, number: str, *, lines: tuple[str, ...] = (), amount: int | None = None,
    currency: str | None = "EUR", ago: int = 0, **properties: object,
) -> int:  # fmt: skip
    """Store an order; returns the id of its event."""
    at = to_micros(store.clock.now()) - ago * DAY
    names = people.event_names
    with store.durable("test") as connection:
        name = connection.execute(sa.select(names.c.id).where(names.c.name == "order_placed")).scalar()
        if name is None:
            name = connection.execute(names.insert().values(name="order_placed")).inserted_primary_key[0]
        event = connection.execute(
            people.events.insert().values(
                name_id=name, customer_id=customer, occurred_at=at, received_at=at, source="test", dedupe_key=number,
                amount=amount, currency=currency, properties={"order": number, **properties},
            )
        ).inserted_primary_key[0]  # fmt: skip
        for place, one in enumerate(lines):
            connection.execute(
                people.event_items.insert().values(
                    event_id=event, position=place, item=f"SKU-{place}", name=one or None, quantity=1, price=1
                )
            )
    return int(event)


def started_by(store: Store, enrolment: int, event: int) -> None:
    with store.durable("test") as connection:
        walks = journeys.journeys
        connection.execute(sa.update(walks).where(walks.c.enrolment_id == enrolment).values(event_id=event))


def mails(settings: Settings) -> dict[str, tuple[str, str]]:
    """Return subject and the first lines of each letter by its address."""
    found = {}
    for path in (settings.data_dir / "outbox").glob("*.eml"):
        one = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        body = one.get_body(("plain",))
        assert body is not None
        found[str(one["To"])] = (
            str(one["Subject"]),
            body.get_content().split("http")[0].replace("\r", "").strip(),
        )
    return found


def test_a_message_names_what_started_the_flow_and_keeps_it_to_be_rendered_again(
    store: Store, clock: FixedClock, root: Path, settings: Settings
) -> None:
    populate(store, 4)
    live = go_live(store, root)
    entered = enter(store, live, (1, 2, 3, 4))
    # A later order of the same customer is not the one that started the journey.
    started_by(
        store,
        entered[1],
        order(store, 1, "A", amount=12_345, lines=("Rose", ""), category="garden"),
    )
    order(store, 1, "B", amount=1, category="tools")
    # Amounts in another currency than the declared one, and values of another type, are unknown: never shown as what they are not.
    started_by(store, entered[2], order(store, 2, "C", amount=500, currency="JPY", category=7, items=3))
    started_by(store, entered[3], order(store, 3, "D", amount=900, currency=None))
    made = plan(store, live, entered, "letter")
    done = deliver_run(settings, store, live.run_id, clock=clock, ring=RING)
    assert done.accepted == 4
    found = mails(settings)
    assert found["1@shop.example"] == ("Your basket of €123.45", "garden: Rose; SKU-1;")
    assert found["2@shop.example"] == ("Your basket of goods", "Things: \n3 pieces")
    assert found["3@shop.example"] == ("Your basket of €9.00", "Things:")
    # Nothing is known of what started the fourth: the template falls back as for any value that is not known.
    assert found["4@shop.example"] == ("Your basket of goods", "Things:")
    kept = {row.customer_id: row.variables for row in message_rows(store, live.run_id)}
    assert kept[1] == {"order_total": 12_345, "category": "garden", "item": ["Rose", "SKU-1"], "items": None}
    # What is recorded is enough to write the body again, whatever the event says by then.
    with store.durable("test") as connection:
        connection.execute(sa.update(people.events).values(properties={}, amount=1))
        row = connection.execute(
            sa.select(sending.messages.c.variables).where(sending.messages.c.id == made[1])
        ).scalar_one()
    run = recorded(store, live.run_id).of_step("letter")
    from tidings.templates.campaign import campaign_email
    from tidings.templates.email import MessageUrls, Recipient

    again = campaign_email(
        run.definitions, run.campaign, sources=run.templates, locale="en", salt="again", clock=clock
    )
    urls = MessageUrls(lambda _, __, url: url, lambda _: "", lambda _: "")
    assert (
        again.show(Recipient(1, "c1", "1@shop.example", "en", row), urls).subject == "Your basket of €123.45"
    )


def test_an_unknown_name_in_a_message_of_a_flow_gets_the_nearest_property(root: Path) -> None:
    path = root / "templates/care/letter/email.txt"
    path.write_text(LETTER.replace("{{ category or", "{{ categori or"))
    (problem,) = [one for one in workspace_problems(root) if one.severity == "error"]
    assert (problem.code, problem.at.path, problem.at.line) == ("TPL12", "templates/care/letter/email.txt", 3)
    assert 'did you mean "category"?' in problem.hint


def test_a_campaign_and_a_letter_to_another_party_know_nothing_of_events(root: Path) -> None:
    (root / "templates/care/sheet/email.txt").write_text(
        "Subject: Your customers\n\n{{ category or 'x' }}\n{{ postal_address }}\n{{ unsubscribe_url }}\n"
    )
    (problem,) = [one for one in workspace_problems(root) if one.severity == "error"]
    assert (problem.code, problem.at.path) == ("TPL12", "templates/care/sheet/email.txt")


def test_attributes_hide_properties_of_the_same_name_and_so_do_the_words_of_the_step(root: Path) -> None:
    events = root / "config/events.yaml"
    rewrite(events, "    category: text\n", "    category: text\n    full_name: text\n    opening: text\n")
    rewrite(
        root / "flows/care.yaml",
        "    via: email\n  answer",
        "    via: email\n    say:\n      opening: Hello\n  answer",
    )
    definitions = load(root)
    given = with_named_step(definitions, "care.letter").campaigns["care.letter"].given
    assert given is not None
    assert {one.name for one in given.names} >= {"order_total", "category", "item"}
    assert given.get("full_name") is None
    assert given.get("opening") is None
    assert not [one for one in workspace_problems(root) if one.severity == "error"]


def test_a_preview_shows_the_latest_such_event_and_an_example_where_there_was_none(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDINGS_WORKSPACE", str(root))
    monkeypatch.delenv("TIDINGS_ENVIRONMENT", raising=False)
    with open_session() as session:
        populate(session.store, 2)
        order(session.store, 1, "A", amount=5_000, lines=("Rose",), category="garden", ago=3)
        order(session.store, 1, "B", amount=7_000, lines=("Spade",), category="tools", ago=2)
    capsys.readouterr()
    assert execute(["preview", "care.letter", "--customer", "c1", "--text"]) == 0
    assert "tools: Spade;" in capsys.readouterr().out
    assert execute(["preview", "care.letter", "--customer", "c2"]) == 0
    shown = capsys.readouterr().out
    assert "€" in shown.split("Subject", 1)[1].splitlines()[0]
    assert "garden; tools;" in shown
    assert execute(["preview", "care.letter"]) == 0
    assert execute(["send-test", "care.letter", "--to", "ann@shop.example", "--yes"]) == 0


def test_the_card_of_a_task_names_what_started_the_flow(store: Store, root: Path) -> None:
    from tidings.flows.journeys.task_cards import CardMaker

    flow = root / "flows/care.yaml"
    flow.write_text(
        flow.read_text().replace("goal:\n", "  call:\n    notify: sales\n    say: care/call\ngoal:\n")
    )
    (root / "config/staff.yaml").write_text("staff: Us\nsales: sales@shop.example\n")
    card = root / "templates/care/call"
    card.mkdir()
    (card / "card.en.txt").write_text(
        "They ordered {{ category or 'something' }} for {{ order_total | money or '?' }}.\n"
    )
    assert not [one for one in workspace_problems(root) if one.severity == "error"]
    definitions = load(root)
    populate(store, 2)
    live = go_live(store, root)
    entered = enter(store, live, (1, 2), step="call")
    started_by(store, entered[1], order(store, 1, "A", amount=5_000, category="garden"))
    step = definitions.flows["care"].step("call")
    assert step is not None
    sources = {path.relative_to(root).as_posix(): path.read_bytes() for path in card.glob("*")}
    maker = CardMaker(definitions, definitions.flows["care"], step, sources, "en")
    with store.durable("test") as connection:
        for customer, enrolment in entered.items():
            connection.execute(
                journeys.tasks.insert().values(
                    run_id=live.run_id, enrolment_id=enrolment, step="call", customer_id=customer, person="sales",
                    email="sales@shop.example", card="", created_at=0, state="open", mail="planned",
                )
            )  # fmt: skip
        tasks = connection.execute(sa.select(journeys.tasks).order_by(journeys.tasks.c.customer_id)).all()
        cards = maker.make(connection, tasks)
    first, second = (cards[task.id].splitlines()[0] for task in tasks)
    assert (first, second) == ("They ordered garden for €50.00.", "They ordered something for ?.")
