"""What keyboards and input methods do to a definition: full-width signs, look-alike letters, odd spaces."""

from __future__ import annotations

import unicodedata

# Full-width and typographic signs that input methods write, and the plain sign each stands for.
FULL_WIDTH = {
    "：": ":",
    "，": ",",
    "、": ",",
    "％": "%",
    "［": "[",
    "］": "]",
    "【": "[",
    "】": "]",
    "｛": "{",
    "｝": "}",
    "（": "(",
    "）": ")",
    "＃": "#",
    "－": "-",
    "．": ".",
    "“": '"',
    "”": '"',
    "„": '"',
    "«": '"',
    "»": '"',
    "＂": '"',
    "‘": "'",
    "’": "'",
    "「": '"',
    "」": '"',
    "　": " ",
    **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
}
_NAMES = {
    "：": "the full-width colon",
    "，": "the full-width comma",
    "、": "the ideographic comma",
    "％": "the full-width percent sign",
    "［": "the full-width bracket",
    "］": "the full-width bracket",
    "【": "the full-width bracket",
    "】": "the full-width bracket",
    "｛": "the full-width brace",
    "｝": "the full-width brace",
    "（": "the full-width parenthesis",
    "）": "the full-width parenthesis",
    "　": "the full-width space",
}
_QUOTES = "“”„«»＂‘’「」"
_OPENING, _CLOSING = "“”„«»＂‘’「［【", "“”„«»＂‘’」］】"
_SPACES = {"\u00a0": "a no-break space", "\u202f": "a narrow no-break space", "\u2007": "a figure space"}
_INVISIBLE = {"\u200b", "\u200c", "\u200d", "\u2060", "\u00ad"}
_LOOK_ALIKES = dict(
    zip("асеорхіјѕԁһАВЕКМНОРСТХІЈЅ", "aceopxijsdhABEKMHOPCTXIJS", strict=True)  # Cyrillic to Latin
) | dict(zip("οαυνΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "oauvABEZHIKMNOPTYX", strict=True))  # Greek to Latin
_SCRIPTS = {"CJK": "Han", "HIRAGANA": "Han", "KATAKANA": "Han", "BOPOMOFO": "Han", "HANGUL": "Hangul"}


def plain_signs(text: str) -> str:
    """Return a text with every full-width or typographic sign, odd space and invisible sign made plain."""
    out = []
    for sign in text:
        if sign in _INVISIBLE:
            continue
        out.append(FULL_WIDTH.get(sign, " " if sign in _SPACES else sign))
    return "".join(out)


def sign_trap(text: str) -> tuple[str, str, str] | None:
    """Name the first sign that an input method or a word processor put in, with its code and the plain text.

    Returns (code, sentence, repaired text), or None when there is none.
    """
    for sign in text:
        if sign in _SPACES or sign in _INVISIBLE:
            name = _SPACES.get(sign, "an invisible sign")
            return (
                "KBD03",
                f"there is {name} (U+{ord(sign):04X}) here; write a plain space or nothing",
                plain_signs(text).strip(),
            )
        if sign in FULL_WIDTH:
            name = _NAMES.get(sign, "a typographic quote" if sign in _QUOTES else "the full-width sign")
            article = "this is" if name.startswith(("the", "a ")) else "this is the"
            return (
                "KBD01",
                f"{article} {name} {sign} ; write {FULL_WIDTH[sign].replace(' ', 'a plain space')}",
                plain_signs(text).strip(),
            )
    return None


def value_trap(text: str, *, plain: bool) -> tuple[str, str, str] | None:
    """Name what an input method put into a value that is compared as a text; as `sign_trap` returns it.

    Of a text that stands without quotes: commas, odd spaces, and brackets or quotes around the whole. A text in
    quotes is meant as it stands, but for the odd space that nobody sees at its ends.
    """
    ends = text[:1] + text[-1:]
    if any(sign in _SPACES or sign in _INVISIBLE or sign == "　" for sign in ends):
        found = sign_trap(ends[0]) or sign_trap(ends[1])
        return (*found[:2], plain_signs(text).strip()) if found else None
    if not plain:
        return None
    if len(text) > 1 and ends[0] in _OPENING and ends[1] in _CLOSING:
        return sign_trap(text)
    for sign in text:
        if sign in _SPACES or sign in _INVISIBLE or sign in "，、":
            found = sign_trap(sign)
            return (*found[:2], plain_signs(text).strip()) if found else None
    return None


def script_of(letter: str) -> str:
    """Return the script of a letter as the first word of its Unicode name says, Japanese counted as one with Han."""
    word = unicodedata.name(letter, "UNKNOWN").split()[0].split("-")[0].title()
    return _SCRIPTS.get(word.upper(), word)


def scripts(text: str) -> list[str]:
    """Return the scripts of the letters of a text, in the order they appear."""
    return list(dict.fromkeys(script_of(sign) for sign in text if sign.isalpha()))


def mixed_scripts(text: str) -> tuple[str, str] | None:
    """Say which letter of a name is of another script, and the name in one script when it only looks alike.

    Returns (sentence, repaired name or ""), or None when the name keeps to one script.
    """
    text = text[:200]
    found = scripts(text)
    if len(found) < 2:
        return None
    letters = [script_of(sign) for sign in text if sign.isalpha()]
    counted = sorted(found, key=lambda script: (-letters.count(script), letters.index(script)))
    stranger = next(sign for sign in text if sign.isalpha() and script_of(sign) != counted[0])
    position = text.index(stranger) + 1
    where = {1: "first", 2: "second", 3: "third"}.get(position, f"{position}th")
    sentence = f'"{text}" mixes two scripts: its {where} letter is the {script_of(stranger)} {stranger}'
    repaired = latin_look(text)
    return sentence, repaired if len(scripts(repaired)) == 1 else ""


def latin_look(text: str) -> str:
    """Return a text with Cyrillic and Greek letters replaced by the Latin ones they look like."""
    return "".join(_LOOK_ALIKES.get(sign, sign) for sign in text)
