"""An HTML page as PNG, drawn in this process: no browser, no network, no file of the machine."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping

from tidings.templates.fax.drawing import engine
from tidings.templates.values import RenderError

_MOST_HEIGHT = 20_000
_SOURCE = re.compile(r"""(?P<before>\bsrc\s*=\s*["'])(?P<url>[^"']+)(?P<after>["'])""", re.IGNORECASE)
_KINDS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif"}


def page_png(
    html: str, *, width: int, scale: float = 1.0, images: Mapping[str, bytes] | None = None
) -> bytes:
    """Return a page as PNG, `width` CSS pixels wide and as high as it is.

    `images`: the bytes of pictures by the end of their address; others are left blank. Raises RenderError when the
    page cannot be drawn.
    """
    try:
        drawn: bytes = engine().render_png(
            with_images(html, images or {}),
            width=width,
            scale=scale,
            # A relative address without a base stops the engine; this host is never asked, for it fetches nothing.
            base_url="http://nowhere.invalid/",
        )
    except ValueError as error:
        raise RenderError("picture", f"cannot be drawn: {error}"[:300]) from error
    except BaseException as error:
        # A panic of the engine is no Exception; the HTML is there to be looked at all the same.
        if type(error).__name__ != "PanicException":
            raise
        raise RenderError("picture", "cannot be drawn: the HTML stops the drawing engine") from None
    return drawn


def with_images(html: str, images: Mapping[str, bytes]) -> str:
    """Return HTML with our own pictures inside it, as data."""

    def replaced(found: re.Match[str]) -> str:
        url = found["url"]
        content = next((content for path, content in images.items() if url.endswith(path)), None)
        if content is None:
            return found[0]
        kind = _KINDS.get(url.rpartition(".")[2].lower(), "image/png")
        return f"{found['before']}data:{kind};base64,{b64encode(content).decode()}{found['after']}"

    return _SOURCE.sub(replaced, html) if images else html
