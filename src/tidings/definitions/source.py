"""The text of one file: decoded, capped, and shown again in problems without its secrets."""

from __future__ import annotations

import re

from tidings.definitions.encodings import utf_16
from tidings.errors import Position, Problem

MAX_BYTES = 1_000_000
# What is shown of a line; longer ones are made by machines and would flood the terminal.
_SHOWN = 500

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_SENSITIVE_KEY = re.compile(
    r"(?i)(password|passwd|passphrase|secret|token|api_?-?key|private_?-?key|credential)"
)
_SENSITIVE_IN_BRACES = re.compile(
    r"[{,]\s*[\"']?[^,:{}]*" + _SENSITIVE_KEY.pattern[4:] + r"[^,:{}]*:(?!\s*[A-Z][A-Z0-9_]*\s*[,}])",
    re.IGNORECASE,
)
_KEY_LIKE = re.compile(
    r"SG\.[\w-]{10,}|sk_(?:live|test)_\w+|AKIA[0-9A-Z]{12,}|xox[abp]-[\w-]+|eyJ[\w-]{10,}\.[\w.-]+"
    r"|-----BEGIN|gh[pousr]_\w{20,}|(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"
)
_LINE = re.compile(r"^(?P<indent>\s*(?:-\s+)?)(?P<key>[^\s:：#][^:：#]*?)\s*(?P<colon>[:：])(?P<value>.*)$")
_LEGACY = {"cp1251": "CP1251 (Cyrillic Windows)", "gb18030": "GB18030 (Chinese)", "big5": "Big5 (Chinese)"}
# Control signs but the tab, line breaks that no editor shows, byte order marks and what is no sign at all.
_FORBIDDEN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class SourceFile:
    """A file of the workspace by its relative path, its text and its lines."""

    def __init__(self, path: str, content: bytes) -> None:
        self.path = path
        self.content = content
        self.text = ""
        self.lines: list[str] = []
        # Lines that were read as their author probably meant them; further problems there would be noise.
        self.repaired: set[int] = set()
        self._shown: list[str] | None = None

    def decode(self) -> list[Problem]:
        """Fill `text` and `lines`; return what keeps the file from being read at all."""
        if len(self.content) > MAX_BYTES:
            size = len(self.content) / 1_000_000
            return [
                self.problem("FIL03", Position(self.path), f"this file is {size:.1f} MB; 1 MB is the most")
            ]
        if self.content[:2] in (b"\xff\xfe", b"\xfe\xff") or (
            b"\x00" in self.content and utf_16(self.content)
        ):
            hint = f"save it as UTF-8, or run: tidings fmt {self.path}"
            return [self.problem("FIL02", Position(self.path), "this file is UTF-16, not UTF-8", hint)]
        content = self.content.removeprefix(b"\xef\xbb\xbf")
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            return [self._not_utf8(content, error)]
        self.text = text.replace("\r\n", "\n").replace("\r", "\n")
        self.lines = self.text.split("\n")
        if self.lines and not self.lines[-1]:
            self.lines.pop()
        return self._forbidden_signs()

    def problem(
        self, code: str, at: Position, message: str, hint: str = "", severity: str = "error"
    ) -> Problem:
        """Return a problem with the line before and the line itself, secrets masked."""
        # Signs that are masked or left out are not underlined.
        width = 1 if self.is_sensitive(at.line) else max(1, min(at.length, _SHOWN - at.column))
        if width < at.length:
            at = Position(at.path, at.line, at.column, width)
        for word in self._hidden_words(at.line):
            message, hint = message.replace(word, "***"), hint.replace(word, "***")
        return Problem(code, message, at, hint, severity, self.excerpt(at.line))

    def excerpt(self, line: int) -> tuple[tuple[int, str], ...]:
        """Return the line before and the line as they may be shown."""
        shown = self._masked()
        return tuple((number, shown[number - 1]) for number in (line - 1, line) if 1 <= number <= len(shown))

    def is_sensitive(self, line: int) -> bool:
        """Tell whether the line holds something that must not be repeated."""
        return 1 <= line <= len(self.lines) and self._masked()[line - 1] != self.lines[line - 1][:_SHOWN]

    def _hidden_words(self, line: int) -> list[str]:
        """Return what a masked line hides, longest first, so that no sentence repeats it."""
        if not self.is_sensitive(line):
            return []
        shown = self._masked()[line - 1]
        words = re.findall(r"[^\s\"'{}\[\],:&*!]{3,}", self.lines[line - 1][:_SHOWN])
        return sorted((word for word in words if word not in shown), key=len, reverse=True)

    def _masked(self) -> list[str]:
        if self._shown is not None:
            return self._shown
        inside: int | None = None
        shown: list[str] = []
        for line in (full[:_SHOWN] for full in self.lines):
            indent = len(line) - len(line.lstrip())
            if inside is not None and line.strip() and indent <= inside:
                inside = None
            shown.append(_mask(line, everything=inside is not None))
            match = _LINE.match(line)
            if match and match["key"].strip("\"' ") == "secrets":
                inside = indent
        self._shown = shown
        return shown

    def _not_utf8(self, content: bytes, error: UnicodeDecodeError) -> Problem:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        start = before.rfind(b"\n") + 1
        column = len(before[start:].decode("utf-8", "replace")) + 1
        likely = [label for name, label in _LEGACY.items() if _reads_as(content, name)]
        hint = "save it as UTF-8" + (f"; it looks like {' or '.join(likely)}" if likely else "")
        message = f"this file is not UTF-8: byte 0x{content[error.start]:02X} cannot be read"
        return Problem("FIL02", message, Position(self.path, line, column), hint)

    def _forbidden_signs(self) -> list[Problem]:
        for number, line in enumerate(self.lines, start=1):
            if found := _FORBIDDEN.search(line):
                at = Position(self.path, number, found.start() + 1)
                message = f"an invisible sign (U+{ord(found[0]):04X}) stands here"
                # The line itself is left out: control signs could rewrite the reader's terminal.
                return [Problem("FIL04", message, at, "delete it and type the text again")]
        return []


def is_variable_name(text: str) -> bool:
    """Tell whether a text can be the name of an environment variable, written in capitals."""
    return bool(_VARIABLE.match(text))


def looks_secret(key: str, value: str) -> bool:
    """Tell whether a value is probably a password or key: by its own look or by what its key is called."""
    return bool(_KEY_LIKE.search(value)) or (bool(_SENSITIVE_KEY.search(key)) and not is_variable_name(value))


def _mask(line: str, *, everything: bool) -> str:
    match = _LINE.match(line)
    if match:
        value = re.sub(r"(^|\s)#.*$", "", match["value"]).strip().strip("\"'")
        key = match["key"].strip("\"' ")
        hidden = everything or bool(_SENSITIVE_KEY.search(key)) or (key == "secrets" and value)
        if value and hidden and not is_variable_name(value):
            return f"{match['indent']}{match['key']}{match['colon']} ***"
    elif everything and line.strip() and not line.strip().startswith("#"):
        return "***"
    if _SENSITIVE_IN_BRACES.search(line):
        return re.sub(r"\{.*", "{ *** }", line)
    return _KEY_LIKE.sub("***", line)


def _reads_as(content: bytes, encoding: str) -> bool:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return False
    letters = [sign for sign in text if ord(sign) > 127]
    if encoding == "cp1251":
        # Almost any bytes decode as CP1251; only a text of mostly lower-case Russian letters is one.
        russian = sum("а" <= sign.lower() <= "я" or sign in "ёЁ" for sign in letters)
        lower = sum("а" <= sign <= "я" or sign == "ё" for sign in letters)
        return bool(letters) and russian >= 0.9 * len(letters) and lower >= 0.5 * len(letters)
    han = sum("\u4e00" <= sign <= "\u9fff" or sign in "，。：；！？「」％" for sign in letters)
    return bool(letters) and han >= 0.9 * len(letters)
