"""Where short links lead is looked up once, and a store that is away harms nobody."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from support.stores import ENVIRONMENT, WORKSPACE
from support.tracking import sent_run, url
from tidings.flows.lazy_store import LazyStore
from tidings.flows.link_targets import LinkTargets
from tidings.store.tables import answers


@pytest.fixture
def targets(store, clock):
    workspace = SimpleNamespace(id=WORKSPACE, salt="")
    settings = SimpleNamespace(
        store_url=store.url,
        environment=SimpleNamespace(name=ENVIRONMENT),
        definitions=SimpleNamespace(workspace=workspace),
    )
    lazy = LazyStore(settings, clock)
    found = LinkTargets(lazy)
    found.settings = settings
    yield found
    lazy.close()


def test_a_link_is_found_and_remembered(store, targets) -> None:
    sent_run(store, 1, links=2)
    with store.read() as connection:
        ids = list(connection.execute(sa.select(answers.links.c.id).order_by(answers.links.c.id)).scalars())
    assert [targets(one) for one in ids] == [url(0), url(1)]
    assert targets(ids[-1] + 5) is None
    with store.durable("test") as connection:
        connection.execute(sa.delete(answers.links))
    assert targets(ids[0]) == url(0)


def test_a_store_that_is_away_is_left_alone_for_a_while(store, targets, clock) -> None:
    sent_run(store, 1, links=1)
    with store.read() as connection:
        link = connection.execute(sa.select(answers.links.c.id)).scalar_one()
    right = targets.settings.store_url
    targets.settings.store_url = "sqlite:////nowhere/at/all.sqlite"
    assert targets(link) is None
    targets.settings.store_url = right
    assert targets(link) is None
    clock.sleep(3)
    assert targets(link) == url(0)
