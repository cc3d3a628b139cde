"""Pictures of messages over real HTTP: those of the files, those that runs recorded, and nothing else of the machine."""

from __future__ import annotations

import hashlib
from contextlib import closing
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import sqlalchemy as sa
from PIL import Image

from support.shop import copy_workspace, seed
from support.stores import ENVIRONMENT, WORKSPACE
from support.tracking import RING, served
from tidings.campaigns.planning import make_plan
from tidings.campaigns.runs import start_run
from tidings.config.settings import load_settings
from tidings.flows.lazy_store import LazyStore
from tidings.flows.pictures import Pictures
from tidings.responses.group import GroupCommit
from tidings.responses.spool import SpoolWriter
from tidings.responses.tracker import make_app
from tidings.store.artifacts import put
from tidings.store.tables import sending
from tidings.templates.images import image_path

PAGE = (
    '<html><body><p>Spring</p><img src="images/logo.png" width="40" height="40" alt="Shop">'
    '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">end</a></p></body></html>'
)
TEXT = "Subject: Spring\n\nSpring. {{ postal_address }} {{ unsubscribe_url }}\n"
CAMPAIGN = "campaign: Spring\npurpose: marketing\nto: everybody\nsend: pictured\nvia: email\nholdout: none\n"


def png(shade: int) -> bytes:
    out = BytesIO()
    Image.new("RGB", (80, 80), (shade, shade, shade)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = copy_workspace(
        tmp_path / "shop",
        campaigns__pictured=CAMPAIGN,
        segments__everybody="segment: Everybody\nwhere:\n  - last_order_at: known\n",
    )
    images = folder / "templates" / "pictured" / "images"
    images.mkdir(parents=True)
    (images.parent / "email.en.html").write_text(PAGE)
    (images.parent / "email.en.txt").write_text(TEXT)
    (images / "logo.png").write_bytes(png(10))
    return folder


@pytest.fixture
def lazy(store, clock):
    settings = SimpleNamespace(
        store_url=store.url,
        environment=SimpleNamespace(name=ENVIRONMENT),
        definitions=SimpleNamespace(workspace=SimpleNamespace(id=WORKSPACE, salt="")),
    )
    with closing(LazyStore(settings, clock)) as found:
        found.settings = settings
        yield found


@pytest.fixture
def web(root, lazy, clock, tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir()
    app = make_app(
        RING,
        GroupCommit(SpoolWriter(spool, clock)),
        clock=clock,
        title="Shop",
        picture_of=Pictures(root, lazy, clock),
    )
    with served(app) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def test_a_picture_of_the_files_is_served_to_be_kept_for_ever(web) -> None:
    path = image_path("logo.png", png(10))
    answer = web.get(path)
    assert answer.status_code == 200
    assert answer.content == png(10)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    head = web.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(png(10)))
    for method in ("POST", "PUT", "DELETE"):
        assert web.request(method, path).status_code == 405


def test_a_picture_that_a_run_recorded_outlives_its_file(web, store, clock, root) -> None:
    seed(store, 3)
    settings = load_settings(root, "development", variables={})
    plan = make_plan(store, settings.definitions, "pictured", now=clock.now())
    start_run(store, settings.definitions, plan.hash, approved_by="ann", now=clock.now())
    path = image_path("logo.png", png(10))
    (root / "templates" / "pictured" / "images" / "logo.png").write_bytes(png(200))
    answer = web.get(path)
    assert (answer.status_code, answer.content) == (200, png(10))
    clock.sleep(6)
    assert web.get(image_path("logo.png", png(200))).content == png(200)
    assert web.get(path).content == png(10)


def test_nothing_else_is_served(web, store, clock, root) -> None:
    secret = b"\x89PNG not a picture at all"
    (root / "templates" / "pictured" / "images" / "broken.png").write_bytes(secret)
    digits = hashlib.sha256(png(10)).hexdigest()[:16]
    with store.durable("test") as connection:
        policies = put(connection, "file", b"purposes: []", 1)
        loose = put(connection, "file", png(77), 1)
        run_id = connection.execute(
            sa.insert(sending.runs)
            .values(
                campaign="c",
                occurrence="once",
                kind="campaign",
                definition_hash="d",
                policy_hash="p",
                salt="s",
                state="sending",
                anchor_at=1,
                created_at=1,
                bounds={},
            )
            .returning(sending.runs.c.id)
        ).scalar_one()
        connection.execute(
            sa.insert(sending.run_artifacts),
            [
                {"run_id": run_id, "role": "file:config/images/policies.png", "sha256": policies},
                {"run_id": run_id, "role": "file:templates/x/images/policies.png", "sha256": policies},
                {"run_id": run_id, "role": "file:config/images/loose.png", "sha256": loose},
            ],
        )
    wrong = [
        f"/i/{digits}/other.png",
        f"/i/{digits}/email.en.html",
        f"/i/{digits}/..%2flogo.png",
        f"/i/{digits}/../logo.png",
        f"/i/{digits}/%2e%2e/%2e%2e/config/policies.yaml",
        f"/i/{digits}/images%2flogo.png",
        f"/i/{digits[:15]}/logo.png",
        f"/i/{digits.upper()}/logo.png" if digits.upper() != digits else "/i/x/logo.png",
        f"/i/{digits}0/logo.png",
        f"/i/{digits}/%25",
        f"/i/{'%' * 1}",
        "/i/",
        "/i//etc/passwd",
        f"/i/{hashlib.sha256(secret).hexdigest()[:16]}/broken.png",
        f"/i/{policies[:16]}/policies.png",
        f"/i/{loose[:16]}/loose.png",
        f"/i/{'_' * 16}/logo.png",
    ]
    for path in wrong:
        answer = web.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"].startswith("text/html")


def test_while_the_store_is_away_pictures_of_files_are_served_and_others_asked_for_again(
    web, lazy, clock, store
) -> None:
    right, lazy.settings.store_url = lazy.settings.store_url, "sqlite:////nowhere/at/all.sqlite"
    assert web.get(image_path("logo.png", png(10))).status_code == 200
    gone = web.get(image_path("gone.png", png(99)))
    assert gone.status_code == 503
    assert gone.headers["retry-after"] == "60"
    lazy.settings.store_url = right
    clock.sleep(3)
    assert web.get(image_path("gone.png", png(99))).status_code == 404


def test_an_email_points_to_the_picture_at_the_public_address(root, clock) -> None:
    from tidings.templates.campaign import campaign_email
    from tidings.templates.email import MessageUrls, Recipient
    from tidings.templates.sources import read_sources

    settings = load_settings(root, "development", variables={})
    compiled = campaign_email(
        settings.definitions,
        "pictured",
        sources=read_sources(root, "pictured"),
        locale="en",
        salt="s",
        clock=clock,
    )
    urls = MessageUrls(lambda _, __, url: url, lambda _: "", lambda _: "https://shop.example/u")
    html = compiled.show(Recipient(1, "c1", "a@b.example", "en", {}), urls).html or ""
    public = settings.definitions.workspace.public_url.rstrip("/")
    assert f'src="{public}{image_path("logo.png", png(10))}"' in html
