"""The words of a fax that the law wants: who sends it, when, which page, and how to get no more.

47 CFR 64.1200(a)(4)(iii) asks for the notice on the first page, clear and conspicuous, with a domestic telephone and fax
number that cost nothing and answer at any hour; 47 CFR 68.318(d) for name, number, date and time of the sender.
"""

from __future__ import annotations

import re
from datetime import datetime

_NOTICES = {
    "en": (
        "To get no more faxes from {sender}, call {phone} or send a fax to {fax}, free of charge, at any time: 24 hours a "
        "day, 7 days a week. Name the fax numbers that should get none. Not complying with your request within 30 days is "
        "unlawful."
    ),
    "zh-tw": (
        "若您不想再收到{sender}的傳真，請免費致電 {phone} 或傳真至 {fax}，全年無休，每日24小時受理；請告知不要再收到傳真的號碼。"
        "我們若未在30天內照辦，即屬違法。"
    ),
    "zh-cn": (
        "如果您不想再收到{sender}的传真，请免费致电 {phone} 或发传真至 {fax}，全年无休，每天24小时受理；请告知不要再收到传真的号码。"
        "我们如果未在30天内照办，即属违法。"
    ),
    "ru": (
        "Чтобы больше не получать факсы от {sender}, бесплатно позвоните по номеру {phone} или отправьте факс на {fax} в "
        "любое время: 24 часа в сутки, 7 дней в неделю. Назовите номера, на которые факсы приходить не должны. Не выполнить "
        "просьбу в течение 30 дней — нарушение закона."
    ),
}
_PAGES = {
    "en": "Page {page} of {pages}",
    "de": "Seite {page} von {pages}",
    "fr": "Page {page} sur {pages}",
    "sv": "Sida {page} av {pages}",
    "ru": "Страница {page} из {pages}",
    "zh-tw": "第{page}頁，共{pages}頁",
    "zh-cn": "第{page}页，共{pages}页",
}
_TRADITIONAL = ("tw", "hk", "mo", "hant")
_SENDER = re.compile(r"\s*(?:(?P<name>[^<>]*?)\s*<(?P<boxed>[^<>]+)>|(?P<bare>\+?[0-9 ().-]{6,}))\s*")


def is_simplified(locale: str) -> bool:
    """Tell whether a locale writes Chinese in the simplified script."""
    parts = locale.replace("_", "-").casefold().split("-")
    return parts[0] == "zh" and not set(parts) & set(_TRADITIONAL)


def _of(table: dict[str, str], locale: str) -> str:
    parts = locale.replace("_", "-").casefold().split("-")
    if parts[0] == "zh":
        return table["zh-cn" if is_simplified(locale) else "zh-tw"]
    return table.get(parts[0], table["en"])


def opt_out_notice(locale: str, *, sender: str, phone: str, fax: str) -> str:
    """Return the notice in a locale (English where there is none): one paragraph of plain text."""
    return _of(_NOTICES, locale).format(sender=sender, phone=phone, fax=fax)


def opt_out_block(locale: str) -> str:
    """Return the block to paste into a template of any locale."""
    del locale  # The words come with `opt_out_notice`, in the locale of the file.
    return '<div class="opt-out"><p>{{ opt_out_notice }}</p></div>'


def page_words(locale: str, page: int, pages: int) -> str:
    """Return `Page 1 of 3` in a locale."""
    return _of(_PAGES, locale).format(page=page, pages=pages)


def instant_words(now: datetime) -> str:
    """Return date and time of a wall clock as `2027-03-02 09:00`."""
    return f"{now:%Y-%m-%d %H:%M}"


def sender_parts(written: str) -> tuple[str, str]:
    """Return name and number (E.164) of `Name <+4681234567>` or of a bare number; empty texts where there is none."""
    found = _SENDER.fullmatch(written)
    if found is None:
        return written.strip(), ""
    number = re.sub(r"[ ().-]", "", found["boxed"] or found["bare"] or "")
    return (found["name"] or "").strip().strip('"'), number if re.fullmatch(r"\+[0-9]{7,15}", number) else ""


def spaced(number: str) -> str:
    """Return an E.164 number as people write it, `+46 8 123 456 78`, unbreakable; as it is where nobody knows how."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    written = str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL))
    # A number broken over two lines is misread.
    return re.sub(r"[ -]", "\u00a0", written)
