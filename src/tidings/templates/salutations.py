"""How a customer is greeted in each language: by title and surname, by name and patronymic, or neutrally.

`salutation_for("ru", {"full_name": "Иванова Анна Сергеевна"})` is `Уважаемая Анна Сергеевна`. No closing sign is part of it:
the template writes `{{ salutation }}!`, `{{ salutation }},` or `{{ salutation }}：`. Where a part is unknown, or cannot
be a name, the next plainer form is used; the last needs nothing of the customer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

NAMES = ("full_name", "first_name", "last_name", "patronymic", "gender", "title")
"""The attributes that a salutation is made from, those of them that config/attributes.yaml declares."""

_LONGEST = 60
_WOMAN = {*("f", "female", "woman", "w", "frau", "ms", "mrs", "miss"), *("ж", "жен", "женский", "женщина"), *("女", "女性", "小姐", "女士")}  # fmt: skip
_MAN = {*("m", "male", "man", "herr", "mr"), *("м", "муж", "мужской", "мужчина"), *("男", "男性", "先生")}
# What stands before a surname in English and German whatever the gender.
_DEGREES = {"dr": "Dr", "doctor": "Dr", "doktor": "Dr", "prof": "Prof", "professor": "Prof"}
_ENGLISH = {"mr": "Mr", "ms": "Ms", "mrs": "Mrs", "miss": "Miss", "mx": "Mx"} | _DEGREES
_CHINESE_TITLES = {
    *("先生", "小姐", "女士", "太太", "夫人", "老師", "老师", "教授", "博士", "醫師", "医生", "經理", "经理")
}
# Surnames of two signs that are still borne; every other Chinese surname is taken to have one.
_DOUBLE = set(
    "歐陽 欧阳 司馬 司马 上官 諸葛 诸葛 夏侯 皇甫 尉遲 尉迟 公孫 公孙 慕容 司徒 令狐 端木 張簡 范姜".split()
)
_FEMININE, _MASCULINE = (
    ("овна", "евна", "ична", "инична"),
    ("ович", "евич", "ильич", "кузьмич", "лукич", "фомич"),
)
_WORD = re.compile(r"[^\W\d_]+(?:[ '’.·-]+[^\W\d_]+)*\.?")


@dataclass(frozen=True, slots=True)
class _Person:
    """The parts that are known; `gender` is f, m or empty."""

    full: str = ""
    first: str = ""
    last: str = ""
    patronymic: str = ""
    gender: str = ""
    title: str = ""


def salutation_names(declared: Iterable[str]) -> tuple[str, ...]:
    """Return the declared attributes that a salutation needs, in order."""
    have = set(declared)
    return tuple(name for name in NAMES if name in have)


def greets_in(locale: str) -> bool:
    """Tell whether there are forms of address for the language of a locale."""
    return _language(locale) in _FORMS


def greeting_locale(wanted: str, files: str) -> str:
    """Return the locale to greet in: that of the files, more exactly where the customer's is (`zh` files for zh-TW)."""
    return wanted if _language(wanted) == _language(files) == files.casefold() else files


def salutation_for(locale: str, values: Mapping[str, Any]) -> str:
    """Return the salutation of one customer, never empty and always one line; English where a language is unknown.

    `values` holds what is known of `NAMES`; an unknown, empty or odd value (digits, addresses, over-long) is left out.
    """
    gender = _gender(values.get("gender")) or _gender(values.get("title"))
    person = _Person(
        full=_name(values.get("full_name")),
        first=_name(values.get("first_name")),
        last=_name(values.get("last_name")),
        patronymic=_name(values.get("patronymic")),
        gender=gender,
        title=_name(values.get("title")).rstrip("."),
    )
    return _FORMS.get(_language(locale), _english)(person, locale.replace("_", "-").casefold())


def _language(locale: str) -> str:
    return locale.replace("_", "-").split("-")[0].casefold()


def _name(value: Any) -> str:
    """Return a value that can be part of a name, spaces made single; else nothing, for a salutation is no place for it."""
    if not isinstance(value, str) or not value:
        return ""
    text = " ".join(unicodedata.normalize("NFC", value).split())
    return text if len(text) <= _LONGEST and _WORD.fullmatch(text) else ""


def _gender(value: Any) -> str:
    word = value.strip().rstrip(".").casefold() if isinstance(value, str) else ""
    return "f" if word in _WOMAN else "m" if word in _MAN else ""


def _english(person: _Person, locale: str) -> str:
    del locale
    title = _ENGLISH.get(person.title.casefold(), "")
    title = title or {"f": "Ms", "m": "Mr"}.get(person.gender, "")
    if title and person.last:
        return f"Dear {title} {person.last}"
    return f"Hello {person.first or person.full}".rstrip()


def _german(person: _Person, locale: str) -> str:
    del locale
    degree = _DEGREES.get(person.title.casefold(), "")
    if person.gender and person.last:
        form = "Sehr geehrte Frau" if person.gender == "f" else "Sehr geehrter Herr"
        return " ".join(filter(None, [form, degree and f"{degree}.", person.last]))
    name = person.full or " ".join(filter(None, [person.first, person.last])) or person.first
    return f"Guten Tag {name}".rstrip()


def _russian(person: _Person, locale: str) -> str:
    del locale
    first, patronymic = person.first, person.patronymic
    if not patronymic:
        found_first, patronymic = _first_and_patronymic(person.full)
        first = first or found_first
    gender = person.gender or _gender_of(patronymic)
    if first and patronymic and gender:
        return f"{'Уважаемая' if gender == 'f' else 'Уважаемый'} {first} {patronymic}"
    if first and patronymic:
        return f"Здравствуйте, {first} {patronymic}"
    name = first or person.full
    return f"Здравствуйте, {name}" if name else "Здравствуйте"


def _first_and_patronymic(full: str) -> tuple[str, str]:
    """Find name and patronymic in a full name, whichever end the surname stands at."""
    words = full.split()
    for index, word in enumerate(words):
        gender = _gender_of(word) if index else ""
        # Two words may be name and surname: Роман Абрамович. No surname ends in -овна.
        if gender == "f" or (gender == "m" and len(words) == 3):
            return words[index - 1], word
    return "", ""


def _gender_of(patronymic: str) -> str:
    small = patronymic.casefold()
    return "f" if small.endswith(_FEMININE) else "m" if small.endswith(_MASCULINE) else ""


def _chinese(person: _Person, locale: str) -> str:
    traditional = any(part in locale for part in ("tw", "hk", "mo", "hant"))
    surname = person.last or _surname(person.full)
    title = person.title if person.title in _CHINESE_TITLES else ""
    if not title and person.gender:
        title = "先生" if person.gender == "m" else "小姐" if traditional else "女士"
    if surname and title:
        return f"{surname}{title}" if _han(surname) else f"{surname} {title}"
    name = person.full or (person.last + person.first if _han(person.last + person.first) else person.first)
    return (f"{name}您好" if _han(name) else f"{name} 您好") if name else "您好"


def _surname(full: str) -> str:
    if not _han(full) or not 2 <= len(full) <= 4:
        return ""
    return full[:2] if full[:2] in _DOUBLE and len(full) > 2 else full[:1]


def _han(text: str) -> bool:
    return bool(text) and all("\u3400" <= sign <= "\u9fff" or sign > "\U0001ffff" for sign in text)


def _plain(word: str, alone: str = "") -> Callable[[_Person, str], str]:
    """Return the forms of a language in which everybody is greeted by the first name, or by a word alone."""

    def greet(person: _Person, locale: str) -> str:
        del locale
        name = person.first or person.full
        return f"{word} {name}" if name else alone or word

    return greet


_FORMS: dict[str, Callable[[_Person, str], str]] = {
    "en": _english,
    "de": _german,
    "ru": _russian,
    "zh": _chinese,
    "da": _plain("Hej"),
    "es": _plain("Hola"),
    "fi": _plain("Hei"),
    "fr": _plain("Bonjour"),
    "it": _plain("Buongiorno"),
    "nb": _plain("Hei"),
    # "Beste" alone greets nobody.
    "nl": _plain("Beste", alone="Goedendag"),
    "no": _plain("Hei"),
    "pt": _plain("Olá"),
    "sv": _plain("Hej"),
}
