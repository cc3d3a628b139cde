"""The workspace that `tidings init` copies: packed into the wheel, else the root of the repository."""

from __future__ import annotations

import re
import secrets
import shutil
import unicodedata
from calendar import isleap
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from tidings.clock import local_day
from tidings.definitions.files import WORKSPACE_FILE
from tidings.definitions.syntax import spelled
from tidings.errors import UsageError

FOLDERS = ("segments", "campaigns", "flows", "templates", "channels", "config")
# The files to try the starter with, and the day that their dates are counted from.
EXAMPLES = (
    "config/imports/example_customers.csv",
    "config/imports/example_orders.csv",
    "config/imports/example_contracts.csv",
    "config/imports/example_ad_touches.csv",
    "config/imports/example_stock.csv",
    "config/imports/example_yandex_costs.csv",
)
_ENCODINGS = {"config/imports/example_yandex_costs.csv": "cp1251"}
_WRITTEN_ON = date(2026, 11, 21)
_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b|\b(\d{2})\.(\d{2})\.(\d{4})\b")
_GITIGNORE = """\
# Data, keys and messages of the development environment.
.tidings/
.env
*.rejects.csv
__pycache__/
"""


def starter_root() -> Path:
    """Return the folder that holds the starter's six folders."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "starter", package.parents[1]):
        if (folder / WORKSPACE_FILE).is_file():
            return folder
    raise UsageError(
        "this installation of tidings has no starter workspace", what_to_do="install it again from its wheel"
    )


def copy_starter(target: Path, now: datetime | None = None) -> list[str]:
    """Copy the starter into an empty or new folder, with a salt, an id and a title of its own.

    With `now` the dates in the examples become as old as they were when the starter was written, so that there is
    somebody to write to. Returns the paths written. Raises UsageError when something stands there already or cannot be written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is not empty", what_to_do="name a new folder; nothing was written")
    source = starter_root()
    try:
        target.mkdir(parents=True, exist_ok=True)
        for folder in FOLDERS:
            shutil.copytree(
                source / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
            )
        workspace = target / WORKSPACE_FILE
        workspace.write_text(
            personalised(workspace.read_text(encoding="utf-8"), target.resolve().name), encoding="utf-8"
        )
        if now is not None:
            _date_examples(target, now)
        (target / ".gitignore").write_text(_GITIGNORE, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or "it cannot be written"
        raise UsageError(
            f"{target} cannot be written: {reason.lower()}", what_to_do="name another folder"
        ) from error
    return sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())


def personalised(text: str, folder: str, salt: str | None = None) -> str:
    """Return the starter's workspace file with the title and id of a folder and a salt that nobody else has."""
    title = re.sub(r"[\s_-]+", " ", folder).strip() or "Workspace"
    values = {
        "workspace": spelled(title[:1].upper() + title[1:]),
        "id": identifier(folder),
        "salt": salt or secrets.token_hex(16),
    }
    for key, value in values.items():
        line = re.search(rf"(?m)^{key}: .*?(?P<comment> +#.*)?$", text)
        if line:
            text = f"{text[: line.start()]}{key}: {value}{line['comment'] or ''}{text[line.end() :]}"
    return text


def _date_examples(target: Path, now: datetime) -> None:
    zone = re.search(r"(?m)^zone: (\S+)", (target / WORKSPACE_FILE).read_text(encoding="utf-8"))
    today = local_day(now, ZoneInfo(zone[1] if zone else "UTC"))
    for path in EXAMPLES:
        example, encoding = target / path, _ENCODINGS.get(path, "utf-8")
        example.write_bytes(dated(example.read_bytes().decode(encoding), today).encode(encoding))


def dated(text: str, today: date) -> str:
    """Return an example with its dates moved to a day: what was 90 days ago is, and who had a birthday has.

    Dates of the last years move by days; a day of birth stays, unless it is the day the example was written on. Those
    of a bill (01.06.2026) are never of birth.
    """
    passed = today - _WRITTEN_ON

    def moved(match: re.Match[str]) -> str:
        if match[6]:
            return f"{date(int(match[6]), int(match[5]), int(match[4])) + passed:%d.%m.%Y}"
        day = date(int(match[1]), int(match[2]), int(match[3]))
        if day.year >= _WRITTEN_ON.year - 5:
            return (day + passed).isoformat()
        if (day.month, day.day) != (_WRITTEN_ON.month, _WRITTEN_ON.day):
            return match[0]
        leaps = (today.month, today.day) == (2, 29) and not isleap(day.year)
        return date(day.year, today.month, 28 if leaps else today.day).isoformat()

    return _DATE.sub(moved, text)


def identifier(folder: str) -> str:
    """Return an id of lower-case Latin letters, digits and - for any name of a folder."""
    plain = unicodedata.normalize("NFKD", folder).encode("ascii", "ignore").decode().lower()
    found = re.sub(r"[^a-z0-9]+", "-", plain).strip("-").lstrip("0123456789-")[:60].strip("-")
    return found or "shop"
