"""What people write around the world for a share, a length of time, an amount or a date, and our spelling of it.

These never change what is read: they only complete the sentence that refuses the text (decision D28).
"""

from __future__ import annotations

import re
from datetime import date

from tidings.definitions.currencies import SIGNS
from tidings.definitions.keyboard import plain_signs

_UNITS = (
    (r"minutes?|mins?|минут\w*|мин\.?|分鐘|分钟|分", "minute"),
    (r"hours?|hrs?|h|час\w*|ч\.?|個小時|个小时|小時|小时|時間|时间", "hour"),
    (r"days?|d|дн\w*|день|суток|сутки|天|日", "day"),
    (r"weeks?|w|недел\w*|нед\.?|個星期|个星期|星期|週|周", "week"),
    (r"months?|месяц\w*|мес\.?|個月|个月|月", "month"),
    (r"years?|y|год\w*|лет|年", "year"),
)
_NUMERALS = {
    **dict.fromkeys(["a", "an", "one", "один", "одна", "одну", "одно", "一"], 1),
    **dict.fromkeys(["two", "два", "две", "двух", "二", "两", "兩"], 2),
    **dict.fromkeys(["three", "три", "трёх", "трех", "三"], 3),
    **dict.fromkeys(["four", "четыре", "四"], 4),
    **dict.fromkeys(["five", "пять", "五"], 5),
    **dict.fromkeys(["six", "шесть", "六"], 6),
    **dict.fromkeys(["seven", "семь", "七"], 7),
    **dict.fromkeys(["eight", "восемь", "八"], 8),
    **dict.fromkeys(["nine", "девять", "九"], 9),
    **dict.fromkeys(["ten", "десять", "十"], 10),
}
_LONGEST = 60  # what is longer is no quantity
_WHOLE = {"fortnight": "2 weeks", "a fortnight": "2 weeks", "полгода": "6 months", "半年": "6 months"}
_NUMBER = r"-?[0-9](?:[0-9 ,.'’\u00a0\u202f]*[0-9])?"


def _decimal(text: str) -> str | None:
    """Return a number written with spaces, commas or points as a plain one, or None when it is ambiguous."""
    compact = re.sub(r"[ '’\u00a0\u202f]", "", text)
    if re.fullmatch(r"-?[0-9]+(\.[0-9]{1,2})?", compact):
        return compact
    if re.fullmatch(r"-?[0-9]+,[0-9]{1,2}", compact):
        return compact.replace(",", ".")
    if re.fullmatch(r"-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]{1,2})?", compact):
        return compact.replace(",", "")
    if re.fullmatch(r"-?[0-9]{1,3}(\.[0-9]{3})+(,[0-9]{1,2})?", compact):
        return compact.replace(".", "").replace(",", ".")
    return None


def likely_share(text: str) -> str:
    """Return `write: 12.5%` for `12,5%`, `12.5 %`, `0.125` and their like, or an empty text."""
    text = text[:_LONGEST]
    plain = plain_signs(text).strip()
    match = re.fullmatch(rf"({_NUMBER})\s*(?:%|percent|per cent|процент\w*|pct)", plain)
    number = _decimal(match[1]) if match else None
    if number is None and re.fullmatch(r"百分之[0-9]+", plain):
        number = plain.removeprefix("百分之")
    if number is None and re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?", plain):
        number = f"{float(plain) * 100:g}" if plain.startswith("0.") else plain
    return f"write: {number}%" if number and 0 <= float(number) <= 100 else ""


def likely_duration(text: str) -> str:
    """Return `2 weeks` for `две недели`, `14d`, `14天` and their like, or an empty text."""
    text = text[:_LONGEST]
    plain = plain_signs(text).strip().casefold()
    if plain in _WHOLE:
        return _WHOLE[plain]
    for pattern, unit in _UNITS:
        match = re.fullmatch(rf"(?P<number>[0-9]+|\D+?)\s*(?:{pattern})", plain)
        if not match:
            continue
        word = match["number"].strip()
        amount = int(word[:9]) if word.isdigit() and word.isascii() else _NUMERALS.get(word)
        if amount:
            return f"{amount} {unit}{'s' if amount != 1 else ''}"
    return ""


def likely_money(text: str, currency: str) -> str:
    """Return `write: 1200 RUB` for `1 200 руб`, `NT$1200`, `1200 元` and their like, or an empty text.

    A sign of several currencies is said to be ambiguous; `currency` is the workspace's own.
    """
    plain = text[:_LONGEST].strip()
    for sign, codes in SIGNS.items():
        for candidate in {sign, sign.casefold()}:
            match = re.fullmatch(
                rf"{re.escape(candidate)}\s*({_NUMBER})|({_NUMBER})\s*{re.escape(candidate)}", plain
            )
            if not match:
                continue
            number = _decimal(match[1] or match[2])
            if number is None:
                return "write the number without separators"
            if len(codes) == 1:
                return f"write: {number} {codes[0]}"
            choice = " or ".join(f"{number} {code}" for code in codes)
            return f"{sign} may mean several currencies; write {choice}"
    match = re.fullmatch(rf"({_NUMBER})\s*([A-Z]{{3}})|([A-Z]{{3}})\s*({_NUMBER})", plain)
    if match:
        number = _decimal(match[1] or match[4])
        return f"write: {number} {match[2] or match[3]}" if number else "write the number without separators"
    number = _decimal(plain) if re.fullmatch(_NUMBER, plain) else None
    return f"write: {number} {currency}" if number else ""


def likely_date(text: str) -> str:
    """Return `write: 2027-03-02` for `02.03.2027`, `2027/3/2`, `2027年3月2日`, or say what is ambiguous."""
    text = text[:_LONGEST]
    plain = plain_signs(text).strip()
    match = re.match(
        r"(?P<y>[0-9]{4})\s*[/.年-]\s*(?P<m>[0-9]{1,2})\s*[/.月-]\s*(?P<d>[0-9]{1,2})\s*[日号號]?", plain
    )
    if not match:
        match = re.match(r"(?P<d>[0-9]{1,2})\.(?P<m>[0-9]{1,2})\.(?P<y>[0-9]{4})(?:\s*г\.?)?", plain)
    if match:
        day = _iso(int(match["y"]), int(match["m"]), int(match["d"]))
        rest = plain[match.end() :].strip().lstrip("T").rstrip("Z").strip()
        hour = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})(:[0-9]{2})?", rest)
        if not day or (rest and not hour):
            return ""
        return f"write: {day}{f' {int(hour[1]):02d}:{hour[2]}' if hour else ''}"
    match = re.fullmatch(r"([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4})", plain)
    if match:
        first, second, year = int(match[1]), int(match[2]), int(match[3])
        days = list(dict.fromkeys(filter(None, (_iso(year, second, first), _iso(year, first, second)))))
        if len(days) == 1:
            return f"write: {days[0]}"
        return f"day or month first? write {' or '.join(days)}" if days else ""
    return ""


def dates_in_text(text: str) -> tuple[str, ...]:
    """Return the date that a text is, in our spelling: two where day and month may be either, none if it is no date."""
    return tuple(re.findall(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?: [0-9]{2}:[0-9]{2})?", likely_date(text)))


def _iso(year: int, month: int, day: int) -> str:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return ""
