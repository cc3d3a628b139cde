"""A run is sent from its own record: words, sender and rules as approved, whatever the files say by now."""

from __future__ import annotations

import email
import email.policy
from collections import Counter
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.ledger_sink import running_sink
from support.ledger_workspace import CAMPAIGN, copy_workspace, recorded_run, rewrite
from support.ledger_world import address_of, message_rows, states
from tidings.clock import FixedClock
from tidings.config.settings import Settings, load_settings
from tidings.definitions.kinds.rules import Attributes
from tidings.delivery import variables
from tidings.delivery.running import deliver_run
from tidings.delivery.verify import verify
from tidings.delivery.writing import Writer
from tidings.errors import StoreError, TidingsError, UsageError
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending
from tidings.store.vocabulary import attributes_table
from tidings.tokens.keyring import KeyRing
from tidings.tokens.links import verify as verify_token

RING = KeyRing.from_text("k1:" + "ab" * 32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copy_workspace(tmp_path / "workspace")


@pytest.fixture
def settings(root: Path) -> Settings:
    return load_settings(root, "development", variables={})


def _fill_attributes(store: Store, attributes: Attributes) -> None:
    table = attributes_table(attributes)
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(table),
            [
                {"customer_id": one, "full_name": f"Name {one}", "lifetime_value": 100 * one, "orders": one}
                for one in (1, 2, 3)
            ],
        )
        connection.execute(
            sa.insert(people.customer_lists),
            [
                {"customer_id": 1, "attribute": "interests", "value": "garden"},
                {"customer_id": 1, "attribute": "interests", "value": "books"},
            ],
        )


def _outbox(settings: Settings) -> dict[str, EmailMessage]:
    folder = settings.data_dir / "outbox"
    letters = [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in sorted(folder.glob("*.eml"))
    ]
    return {str(letter["To"]): letter for letter in letters}


def test_a_run_writes_to_everybody_in_their_words(
    store: Store, clock: FixedClock, root: Path, settings: Settings, attributes: Attributes
) -> None:
    world = recorded_run(store, root, 6)
    _fill_attributes(store, attributes)
    with store.durable("test") as connection:
        connection.execute(sa.update(people.customers).where(people.customers.c.id == 4).values(locale="ru"))
    done = deliver_run(settings, store, world.run_id, clock=clock, ring=RING)
    assert (done.state, done.accepted, done.refused) == ("finished", 6, 0)
    letters = _outbox(settings)
    assert set(letters) == {address_of(one) for one in range(1, 7)}
    assert "25% off" in letters[address_of(1)].as_string() or "25% off" in _text(letters[address_of(1)])
    assert "We kept your favourites" in _text(letters[address_of(2)])
    assert "Мы сохранили" in _text(letters[address_of(4)])
    message_id = {row.customer_id: row.id for row in message_rows(store, world.run_id)}[2]
    unsubscribe = str(letters[address_of(2)]["List-Unsubscribe"]).split("<")[1].split(">")[0]
    assert verify_token(RING, "unsubscribe", unsubscribe.rsplit("/", 1)[1]).message_id == message_id
    assert "/u/" in unsubscribe
    assert verify(store).broken == ()


def _text(letter: EmailMessage) -> str:
    body = letter.get_body(("plain",))
    assert body is not None
    return str(letter["Subject"]) + body.get_content()


def test_the_ledger_keeps_what_each_message_was_filled_with_and_nothing_else(
    store: Store, clock: FixedClock, root: Path, settings: Settings, attributes: Attributes
) -> None:
    world = recorded_run(store, root, 3)
    _fill_attributes(store, attributes)
    deliver_run(settings, store, world.run_id, clock=clock, ring=RING)
    kept = {row.customer_id: row.variables for row in message_rows(store, world.run_id)}
    named = set(kept[1])
    assert "full_name" in named
    assert kept[1]["full_name"] == "Name 1"
    source = "".join(path.read_text() for path in (root / "templates" / CAMPAIGN).glob("*.*"))
    assert all(name in source for name in named)


def test_a_run_is_sent_with_the_words_it_recorded(
    store: Store, clock: FixedClock, root: Path, settings: Settings
) -> None:
    world = recorded_run(store, root, 2)
    rewrite(root / "campaigns" / f"{CAMPAIGN}.yaml", "We kept your favourites", "SOMETHING ELSE")
    for path in (root / "templates" / CAMPAIGN).glob("*.*"):
        path.unlink()
    assert deliver_run(settings, store, world.run_id, clock=clock, ring=RING).accepted == 2
    assert "We kept your favourites" in _text(_outbox(settings)[address_of(2)])


def test_a_wrong_host_can_be_corrected_in_the_middle_of_a_run(
    store: Store, clock: FixedClock, root: Path, tmp_path: Path
) -> None:
    rewrite(root / "config" / "workspace.yaml", "    outbox: true ", "    outbox: false ")
    rewrite(root / "channels" / "email.yaml", "port: 2525", "port: 1")
    world = recorded_run(store, root, 5)
    done = deliver_run(load_settings(root, variables={}), store, world.run_id, clock=clock, ring=RING)
    assert done.paused
    assert "127.0.0.1:1" in done.reason
    assert set(states(store, world.run_id).values()) == {"planned"}
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.runs).values(state="sending"))
    with running_sink(tmp_path) as sink:
        rewrite(root / "channels" / "email.yaml", "port: 1", f"port: {sink.port}")
        done = deliver_run(load_settings(root, variables={}), store, world.run_id, clock=clock, ring=RING)
        assert done.state == "finished"
        assert sink.copies() == Counter(range(1, 6))


def test_a_paused_run_says_so_and_opens_nothing(
    store: Store, clock: FixedClock, root: Path, settings: Settings
) -> None:
    world = recorded_run(store, root, 2)
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.runs).values(state="paused", pause_reason="wrong price"))
        connection.execute(sa.delete(sending.run_artifacts))
    done = deliver_run(settings, store, world.run_id, clock=clock, ring=RING)
    assert (done.paused, done.reason, done.pending) == (True, "the run is paused: wrong price", 2)


def test_what_a_run_recorded_must_be_whole(
    store: Store, clock: FixedClock, root: Path, settings: Settings
) -> None:
    world = recorded_run(store, root, 2)
    with store.durable("test") as connection:
        connection.execute(
            sa.delete(sending.run_artifacts).where(
                sending.run_artifacts.c.role == "file:config/policies.yaml"
            )
        )
    with pytest.raises(StoreError, match="what the run of spring_winback recorded cannot be read"):
        deliver_run(settings, store, world.run_id, clock=clock, ring=RING)
    assert set(states(store, world.run_id).values()) == {"planned"}


def test_a_template_that_cannot_work_claims_nothing(
    store: Store, clock: FixedClock, root: Path, settings: Settings
) -> None:
    for path in (root / "templates" / CAMPAIGN).glob("*.txt"):
        path.write_text("Subject: hello\n\n{{ no_such_thing }}\n")
    world = recorded_run(store, root, 2)
    with pytest.raises(TidingsError):
        deliver_run(settings, store, world.run_id, clock=clock, ring=RING)
    assert set(states(store, world.run_id).values()) == {"planned"}


def test_who_refused_tracking_gets_plain_links_and_no_pixel(
    store: Store, clock: FixedClock, root: Path
) -> None:
    rewrite(
        root / "config" / "policies.yaml",
        "  survey:\n",
        "  tracking:\n    class: service\n    consent: required\n    holdout: none\n  survey:\n",
    )
    world = recorded_run(store, root, 2)
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(people.consents).values(
                customer_id=1,
                channel="email",
                purpose="tracking",
                state="granted",
                basis="opt_in",
                source="form",
                at=1,
                received_at=1,
            )
        )
    settings = load_settings(root, variables={})
    assert deliver_run(settings, store, world.run_id, clock=clock, ring=RING).accepted == 2
    letters = {
        who: str(letter.get_body(("html",)).get_content()) for who, letter in _outbox(settings).items()
    }
    assert "/o/" in letters[address_of(1)]
    assert "/o/" not in letters[address_of(2)]
    assert "/c/" in letters[address_of(1)]
    assert "/c/" not in letters[address_of(2)]


def test_variables_of_many_customers_come_set_based_and_plain(store: Store, attributes: Attributes) -> None:
    from support.ledger_world import seed

    seed(store, 3)
    _fill_attributes(store, attributes)
    names = ["full_name", "lifetime_value", "orders", "interests", "birthday", "email"]
    with store.durable("test") as connection:
        loaded = variables.load(connection, attributes, [1, 2, 9], names)
    assert loaded[1] == {
        "full_name": "Name 1",
        "lifetime_value": 100,
        "orders": 1,
        "interests": ["books", "garden"],
        "birthday": None,
        "email": "1@shop.example",
    }
    assert loaded[2]["interests"] == []
    assert loaded[9] == dict.fromkeys(names) | {"interests": []}
    with store.durable("test") as connection, pytest.raises(KeyError):
        variables.load(connection, attributes, [1], ["no_such"])


def test_a_run_that_is_not_there_is_a_usage_error(
    store: Store, clock: FixedClock, settings: Settings
) -> None:
    with pytest.raises(UsageError, match="there is no run 77"):
        deliver_run(settings, store, 77, clock=clock, ring=RING)


def test_a_locale_whose_words_cannot_be_used_is_refused_and_the_others_are_written_to(
    store: Store,
    clock: FixedClock,
    root: Path,
    settings: Settings,
    attributes: Attributes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = recorded_run(store, root, 3)
    _fill_attributes(store, attributes)
    really = Writer._compiled

    def compiled(self: Writer, variant: str | None, locale: str) -> object:
        if locale == "ru":
            raise UsageError("the words for ru have a hole")
        return really(self, variant, locale)

    monkeypatch.setattr(Writer, "_compiled", compiled)

    def import_a_locale() -> None:
        with store.durable("test") as connection:
            connection.execute(
                sa.update(people.customers).where(people.customers.c.id == 2).values(locale="ru")
            )

    done = deliver_run(settings, store, world.run_id, clock=clock, ring=RING, before_claim=import_a_locale)
    assert (done.accepted, done.refused) == (2, 1)
    assert [row.refusal_code for row in message_rows(store, world.run_id)] == [None, "locale_missing", None]


def test_a_locale_that_changed_after_the_run_was_taken_up_is_written_in(
    store: Store, clock: FixedClock, root: Path, settings: Settings, attributes: Attributes
) -> None:
    world = recorded_run(store, root, 3)
    _fill_attributes(store, attributes)

    def import_a_locale() -> None:
        with store.durable("test") as connection:
            connection.execute(
                sa.update(people.customers).where(people.customers.c.id == 2).values(locale="ru")
            )

    done = deliver_run(settings, store, world.run_id, clock=clock, ring=RING, before_claim=import_a_locale)
    assert done.accepted == 3
    assert "Мы сохранили" in _text(_outbox(settings)[address_of(2)])
    with store.read() as connection:
        locales = connection.execute(sa.select(answers.links.c.locale).distinct()).scalars()
        assert set(locales) == {"en", "ru"}
