"""The files of a preview: the page and the mail, readable by their owner alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidings.templates.email import Shown


def write_preview(folder: Path, stem: str, out: Path | None, shown: Shown, content: bytes) -> list[Path]:
    """Write a message as a page and as mail into `folder`, or the one that the name of `out` asks for; return the files.

    Raises TidingsError where they cannot be written.
    """
    from tidings.errors import TidingsError
    from tidings.templates.gallery.page import text_page

    page = (shown.html or text_page(shown.text)).encode()
    if out is not None:
        targets = {out: content if out.suffix.lower() == ".eml" else page}
    else:
        targets = {folder / f"{safe_stem(stem)}.html": page, folder / f"{safe_stem(stem)}.eml": content}
    try:
        for path, written in targets.items():
            # What a customer is written is nobody else's business.
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(written)
    except OSError as error:
        raise TidingsError(
            f"the preview cannot be written to {path}: {error.strerror}",
            what_to_do="name another file with --out",
        ) from error
    return list(targets)


def safe_stem(stem: str) -> str:
    """Return a name for files: a key may hold anything."""
    return re.sub(r"[^\w.-]+", "_", stem).strip("._") or "preview"
