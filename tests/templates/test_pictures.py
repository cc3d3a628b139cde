"""Pictures of a message: addressed by their content, checked before anybody plans, never from a stranger."""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from support.messages import URLS, bodies, compiled, recipient, sources
from tidings.templates.images import MAX_IMAGE, image_files, image_path, image_url, media_type, picture
from tidings.templates.markup import PictureError
from tidings.templates.sources import TemplateErrors, read_sources


def drawn(kind: str, width: int = 40, height: int = 30) -> bytes:
    """Return a small picture as Pillow writes it."""
    made = BytesIO()
    Image.new("RGB", (width, height), "#1d5c45").save(made, kind)
    return made.getvalue()


PNG, JPEG, GIF = drawn("PNG"), drawn("JPEG", 300, 20), drawn("GIF", 7, 900)


@pytest.mark.parametrize(
    ("name", "content", "kind", "size"),
    [
        ("images/a.png", PNG, "image/png", (40, 30)),
        ("images/a.jpg", JPEG, "image/jpeg", (300, 20)),
        ("images/A-1_b.JPEG", JPEG, "image/jpeg", (300, 20)),
        ("images/a.gif", GIF, "image/gif", (7, 900)),
    ],
)
def test_kind_and_size_are_read_from_the_bytes(
    name: str, content: bytes, kind: str, size: tuple[int, int]
) -> None:
    found = picture(name, content)
    assert (found.media_type, (found.width, found.height)) == (kind, size)
    assert media_type(content) == kind


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("images/a.svg", b"<svg/>", "TPL28"),
        ("images/a.webp", b"RIFF", "TPL28"),
        ("images/a.png", JPEG, "TPL28"),
        ("images/a.png", b"<svg onload=alert(1)>", "TPL28"),
        ("images/a.gif", b"GIF89a", "TPL28"),
        ("images/a.jpg", b"\xff\xd8\xff", "TPL28"),
        ("images/a.jpg", b"\xff\xd8\xff\xe0\x00\x00" + b"\xff" * 40, "TPL28"),
        ("images/../a.png", PNG, "TPL28"),
        ("images/a b.png", PNG, "TPL28"),
        ("images/.png", PNG, "TPL28"),
        ("images/a.png", PNG + b"x" * MAX_IMAGE, "TPL29"),
    ],
)
def test_what_mail_programs_do_not_show_is_refused(name: str, content: bytes, code: str) -> None:
    with pytest.raises(PictureError) as raised:
        picture(name, content)
    assert raised.value.code == code
    assert raised.value.sentence


def test_the_address_is_that_of_the_content() -> None:
    digest = sha256(PNG).hexdigest()[:16]
    assert image_path("images/a.png", PNG) == f"/i/{digest}/a.png"
    assert (
        image_url("https://mail.shop.example/", "a.png", PNG) == f"https://mail.shop.example/i/{digest}/a.png"
    )
    assert image_url("https://x.example", "a.png", PNG + b"x") != image_url("https://x.example", "a.png", PNG)


def test_only_pictures_that_may_be_sent_are_served() -> None:
    files = {"images/a.png": PNG, "images/b.svg": b"<svg/>", "email.en.txt": b"x", "images/c.png": b"nothing"}
    assert image_files(files) == {image_path("a.png", PNG): PNG}


def test_a_page_shows_its_own_pictures_from_our_address() -> None:
    html = '<img src="images/a.png" width="40" height="30" alt="Logo"><table background="images/a.png"><tr><td>x</td></tr></table>'
    files = sources(html=html) | {"images/a.png": PNG}
    message = compiled(files, public_url="https://mail.shop.example")
    assert message.warnings == ()
    _, page = bodies(message.fill(recipient(), URLS))
    assert page.count(f'="https://mail.shop.example{image_path("a.png", PNG)}"') == 2


def test_mjml_shows_its_own_pictures_too() -> None:
    page = '<mjml lang="en"><mj-head><mj-title>Hi</mj-title></mj-head><mj-body><mj-section background-url="images/a.png"><mj-column><mj-image src="images/a.png" alt="Logo" /></mj-column></mj-section></mj-body></mjml>'
    files = {"email.en.mjml": page.encode(), "images/a.png": PNG}
    message = compiled(files, public_url="https://mail.shop.example", message_class="service")
    assert message.warnings == ()
    made = bodies(message.fill(recipient(), URLS))[1]
    assert made.count(f"https://mail.shop.example{image_path('a.png', PNG)}") >= 2
    assert "images/a.png" not in made.replace(image_path("a.png", PNG), "")


@pytest.mark.parametrize(
    ("source", "code", "hint"),
    [
        ("images/logo.png", "TPL27", "did you mean images/logos.png?"),
        ("images/drawing.svg", "TPL28", "save it as PNG"),
        ("images/{{ full_name }}.png", "TPL27", ""),
    ],
)
def test_a_picture_that_cannot_be_used_is_named_in_its_place(source: str, code: str, hint: str) -> None:
    files = sources(html=f'\n<img src="{source}" width="40" alt="">') | {
        "images/logos.png": PNG,
        "images/drawing.svg": b"<svg/>",
    }
    with pytest.raises(TemplateErrors) as raised:
        compiled(files)
    (problem,) = raised.value.problems
    assert (problem.code, problem.at.line, problem.at.column) == (code, 2, 11)
    assert hint in problem.hint


def test_pictures_are_read_with_the_files_of_a_message(tmp_path: Path) -> None:
    folder = tmp_path / "templates" / "spring"
    (folder / "images").mkdir(parents=True)
    (folder / "email.en.txt").write_text("Subject: Hi\n\nx")
    (folder / "images" / "a.png").write_bytes(PNG)
    (folder / "notes.md").write_text("x")
    assert set(read_sources(tmp_path, "spring")) == {"email.en.txt", "images/a.png"}
