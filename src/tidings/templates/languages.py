"""In which languages each message is written, and who gets which when theirs is not among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tidings.definitions.workspace import Definitions
from tidings.templates.sources import locales, nearest_locale, read_sources

# Messages that are named rather than counted, and lines of the short form.
_NAMED, _LINES = 2, 5
# Locales that stand in for others often enough to be named: by script, not by country.
_REGIONAL = ("zh-HK", "zh-MO", "zh-SG", "zh-TW", "zh-CN")


@dataclass(frozen=True, slots=True)
class Languages:
    """One kind of message of one folder: its locales, which others they serve, and what everybody else gets.

    `everybody_else` is None where a customer of another language gets nothing by this kind.
    """

    folder: str
    kind: str
    locales: tuple[str, ...]
    stand_ins: tuple[tuple[str, str], ...]
    everybody_else: str | None

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "folder": self.folder,
            "kind": self.kind,
            "locales": list(self.locales),
            "stand_ins": dict(self.stand_ins),
            "everybody_else": self.everybody_else,
        }

    def sentence(self) -> str:
        """Return it as a line for people: `spring: email in en, zh-TW; zh-HK gets zh-TW; everybody else gets en`."""
        served = [*(f"{wanted} gets {given}" for wanted, given in self.stand_ins), self._others()]
        return f"{self.folder}: {self.kind} in {self._named()}; {'; '.join(served)}"

    def short(self, folders: Sequence[str]) -> str:
        """Return it for several folders, counted where they are many: `email: 20 messages in en, ru; everybody else gets en`."""
        which = ", ".join(folders) if len(folders) <= _NAMED else f"{len(folders)} messages"
        return f"{self.kind}: {which} in {self._named()}; {self._others()}"

    def _named(self) -> str:
        return ", ".join(one or "no language" for one in self.locales)

    def _others(self) -> str:
        if self.everybody_else is None:
            return "nobody else can be written to"
        return f"everybody else gets {self.everybody_else or 'the file without a language'}"


def language_lines(found: Sequence[Languages]) -> list[str]:
    """Return the sentences of all, messages in the same languages on one line: `spring, autumn: email in en, ru; …`."""
    return [replace(one, folder=", ".join(names)).sentence() for one, names in _together(found).items()]


def short_lines(found: Sequence[Languages]) -> list[str]:
    """Return a few lines: of each kind how many messages there are in which languages, what most have in common first."""
    groups = sorted(_together(found).items(), key=lambda group: -len(group[1]))
    lines = [one.short(names) for one, names in groups[:_LINES]]
    if len(groups) > _LINES:
        rest = sum(len(names) for _, names in groups[_LINES:])
        lines.append(f"and {rest} in other languages: `tidings check --verbose` names them")
    return lines


def _together(found: Sequence[Languages]) -> dict[Languages, list[str]]:
    """Return the folders of the messages that are of one kind and in the same languages."""
    folders: dict[Languages, list[str]] = {}
    for one in found:
        folders.setdefault(replace(one, folder=""), []).append(one.folder)
    return folders


def languages(definitions: Definitions) -> tuple[Languages, ...]:
    """Return the languages of all messages that a campaign sends, by folder and kind."""
    found = []
    fallback = definitions.workspace.locale
    for folder in sorted({campaign.send for campaign in definitions.campaigns.values()}):
        names = [name for name in read_sources(Path(definitions.root), folder) if "/" not in name]
        for kind in sorted({name.split(".")[0] for name in names}):
            have = locales(names, kind)
            known = {one.replace("_", "-").casefold() for one in have}
            stand_ins = tuple(
                (wanted, given)
                for wanted in _REGIONAL
                if wanted.casefold() not in known
                and (given := nearest_locale(wanted, have, "")) is not None
                and given.casefold().startswith("zh")
            )
            # A language that nobody writes in: what is left is the workspace's.
            found.append(Languages(folder, kind, have, stand_ins, nearest_locale("und", have, fallback)))
    return tuple(found)
