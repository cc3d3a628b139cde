"""A mapping proposed from the header and the first rows of a file: what each column probably is, and how sure that is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidings.customers.guessing_registers import register_column
from tidings.customers.reading import open_rows
from tidings.definitions.kinds.rules import Attributes, Events
from tidings.errors import TidingsError

SAMPLE_ROWS = 1_000

# What columns are called in exports of shops and CRMs in our users' languages, simplified as `plain` does.
WORDS: dict[str, tuple[str, ...]] = {
    "key": ("customerid", "clientid", "userid", "kundennummer", "kundnummer", "kundid", "contactid", "memberid", "customer", "id", "會員編號", "客戶編號", "客户编号", "会员编号", "顧客編號", "номерклиента", "кодклиента", "idклиента", "клиент"),
    "email": ("email", "emailaddress", "mail", "epost", "电子邮件", "邮箱", "電子郵件", "電郵", "信箱", "эл почта", "элпочта", "электроннаяпочта", "почта", "адресэлпочты"),
    "phone": ("phone", "mobile", "mobilephone", "phonenumber", "telephone", "tel", "handy", "mobil", "telefon", "手機", "手机", "電話", "电话", "手机号", "手機號碼", "行動電話", "телефон", "мобильный", "мобильныйтелефон"),
    "fax": ("fax", "faxnumber", "傳真", "传真", "факс"),
    "locale": ("locale", "language", "lang", "sprache", "språk", "語言", "语言", "язык"),
    "zone": ("timezone", "zone", "zeitzone", "tidszon", "時區", "时区", "часовойпояс"),
    "country": ("country", "countrycode", "land", "國家", "国家", "страна"),
    "account": ("account", "company", "dealer", "companyid", "firma", "företag", "公司", "公司名稱", "公司名称", "經銷商", "经销商", "компания", "дилер", "организация", "названиекомпании"),
    "full_name": ("name", "fullname", "customername", "namn", "姓名", "名字", "名稱", "имя", "фио", "имяклиента"),
    "first_name": ("firstname", "givenname", "vorname", "förnamn", "名", "имяотдельно"),
    "last_name": ("lastname", "surname", "familyname", "nachname", "efternamn", "姓", "фамилия"),
    "birthday": ("birthday", "birthdate", "dateofbirth", "dob", "born", "geburtstag", "födelsedag", "生日", "出生日期", "деньрождения", "датарождения"),
    "patronymic": ("patronymic", "отчество"),
    "member_level": ("memberlevel", "level", "tier", "會員等級", "会员等级", "等級", "уровень", "статус"),
    "last_order_at": ("lastorder", "lastorderdate", "lastpurchase", "最後訂購日", "最後購買日", "最后订购日", "最近购买日期", "последнийзаказ", "датапоследнегозаказа"),
    "lifetime_value": ("lifetimevalue", "totalspent", "revenue", "消費總額", "累計消費", "累计消费", "消费总额", "суммапокупок", "суммазаказов"),
    "orders": ("orders", "ordercount", "訂單數", "订单数", "количествозаказов", "заказов"),
    "interests": ("interests", "tags", "興趣", "兴趣", "интересы"),
    "preferred_channel": ("preferredchannel", "偏好管道", "首選管道", "首选渠道", "偏好渠道", "предпочитаемыйканал", "каналсвязи"),
    "account_type": ("accounttype", "customertype", "客戶類型", "客户类型", "типклиента"),
    "gender": ("gender", "sex", "geschlecht", "kön", "性別", "性别", "пол"),
}  # fmt: skip
AT_WORDS = ("date", "orderdate", "createdat", "datetime", "time", "timestamp", "occurredat", "invoicedate", "datum", "日期", "時間", "时间", "訂單日期", "订单日期", "дата", "датазаказа", "времязаказа")  # fmt: skip
ORDER_WORDS = ("order", "orderid", "orderno", "ordernumber", "invoice", "invoiceno", "bestellnummer", "ordernr", "訂單編號", "订单编号", "訂單號", "订单号", "номерзаказа", "заказ", "счет")  # fmt: skip
TOTAL_WORDS = ("total", "ordertotal", "amount", "sum", "net", "revenue", "betrag", "summe", "belopp", "金額", "金额", "總額", "总额", "сумма", "итого", "стоимость")  # fmt: skip
# Anywhere in a name: who agreed to what is said in many words.
CONSENT_PARTS = (
    "newsletter",
    "optin",
    "consent",
    "subscri",
    "同意",
    "訂閱",
    "订阅",
    "подписк",
    "соглас",
    "рассылк",
)
CONSENT_WORDS = ("newsletter", "optin", "subscribed", "consent", "marketing", "訂閱", "订阅", "подписка", "согласие", "рассылка")  # fmt: skip

_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]{2,}")
_PHONE = re.compile(r"\+?[\d ()./-]{7,20}")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_LOCALE = re.compile(r"[a-z]{2}(?:[-_][A-Za-z]{2,4})?")
_ZONE = re.compile(r"[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_DATES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("YYYY-MM-DD", re.compile(r"(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})")),
    ("YYYY/MM/DD", re.compile(r"(?P<y>\d{4})/(?P<m>\d{1,2})/(?P<d>\d{1,2})")),
    ("YYYY年MM月DD日", re.compile(r"(?P<y>\d{4})年(?P<m>\d{1,2})月(?P<d>\d{1,2})日")),
    ("DD.MM.YYYY", re.compile(r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})")),
    ("DD/MM/YYYY", re.compile(r"(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<y>\d{4})")),
    ("MM/DD/YYYY", re.compile(r"(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4})")),
)
_CLOCK = re.compile(r"[ T](?P<h>\d{1,2}):(?P<mi>\d{2})(?P<s>:\d{2})?(?:Z|[+-]\d{2}:?\d{2})?")
_YES_NO = {"yes", "no", "1", "0", "true", "false", "y", "n", "ja", "nein", "да", "нет", "是", "否"}
_YES = ("1", "yes", "true", "y", "ja", "да", "是")


@dataclass(frozen=True, slots=True)
class Guessed:
    """What one column probably is: `target` a field of ours or "", `how` further keys of the mapping, `sure` or not."""

    column: str
    target: str = ""
    how: dict[str, str] = field(default_factory=dict)
    sure: bool = True
    why: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guess:
    """A mapping to write: `kind` customers, events or do_not_call, the guesses of all columns, and what has to be asked.

    `key` names the customer's column, or that of the numbers of a register; `at` and `order` those of events; empty where
    nothing fits.
    """

    kind: str
    columns: tuple[Guessed, ...]
    key: str
    at: Guessed | None
    order: str
    consent: str
    event: str
    read_as: str
    rows: int
    repeated: int
    consent_yes: tuple[str, ...] = ()

    def target(self, name: str) -> Guessed | None:
        """Return the column that fills a field of ours, or None."""
        return next((one for one in self.columns if one.target == name), None)


def plain(text: str) -> str:
    """Return a name without what makes the same word look different: case, accents, signs and spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in folded if sign.isalnum())


def guess(
    path: Path,
    attributes: Attributes,
    events: Events,
    *,
    encoding: str | None = None,
    sheet: str | None = None,
) -> Guess:
    """Read the header and up to 1,000 rows of a file and propose a mapping; raises TidingsError for an empty file."""
    with open_rows(path, encoding=encoding, sheet=sheet) as table:
        header = table.header
        read_as = table.read_as
        cells: list[list[str]] = []
        for _, row in table:
            if len(row) == len(header):
                cells.append(row)
            if len(cells) >= SAMPLE_ROWS:
                break
    if not cells:
        raise TidingsError(f"{path.name} has a header and no rows", what_to_do="export it with some rows")
    names = {plain(name): name for name in header if name}
    values = {name: _filled(cells, place) for place, name in enumerate(header) if name}
    key = _first(WORDS["key"], names)
    at = _instant(names, values)
    order = _first(ORDER_WORDS, names)
    total = _first(TOTAL_WORDS, names)
    kind = (
        "events"
        if at is not None and (order or total) and _first(WORDS["email"], names) != key
        else "customers"
    )
    agreed = any(part in word for word in names for part in CONSENT_PARTS)
    register = kind == "customers" and not agreed
    number = register_column(names, values, _PHONES, _OTHERS) if register else ""
    if number:
        kind, key = "do_not_call", number
    known = {one.name: one.type for one in attributes.attributes}
    if not key:
        key = _unique(values, len(cells)) or _first(WORDS["email"], names)
    taken: set[str] = set()
    guessed = []
    for name, texts in values.items():
        one = _column(name, texts, known, taken)
        if one.target:
            taken.add(one.target)
        guessed.append(one)
    consent = _first(CONSENT_WORDS, names) or next(
        (name for word, name in names.items() if any(part in word for part in CONSENT_PARTS)), ""
    )
    event = next(
        (one.name for one in events.events if one.revenue), events.events[0].name if events.events else ""
    )
    keys = [row[header.index(key)] for row in cells] if key else []
    return Guess(
        kind,
        tuple(guessed),
        key,
        at,
        order,
        consent,
        event,
        read_as,
        len(cells),
        len(keys) - len(set(keys)),
        yes_words(values.get(consent, [])),
    )


# What columns are called, as `register_column` asks it.
_PHONES = frozenset(plain(word) for name in ("phone", "fax") for word in WORDS[name])
_OTHERS = frozenset(
    plain(word) for name, words in WORDS.items() if name not in ("phone", "fax", "country") for word in words
)


def date_format(texts: Sequence[str]) -> tuple[str, bool] | None:
    """Return the format of days (and times) that fits all texts, and whether another one fits as well; None for none."""
    fitting = [written for shape, pattern in _DATES if (written := _fits(texts, shape, pattern))]
    if not fitting:
        return None
    return fitting[0], len(fitting) > 1


def _fits(texts: Sequence[str], shape: str, pattern: re.Pattern[str]) -> str:
    clock, seconds = False, False
    for text in texts:
        found = pattern.match(text)
        if found is None or not (1 <= int(found["m"]) <= 12 and 1 <= int(found["d"]) <= 31):
            return ""
        rest = text[found.end() :]
        if rest:
            time = _CLOCK.fullmatch(rest)
            if time is None:
                return ""
            clock, seconds = True, seconds or time["s"] is not None
    return shape + (" HH:MM" if clock else "") + (":SS" if seconds else "")


def _column(name: str, values: Sequence[str], known: dict[str, str], taken: set[str]) -> Guessed:
    examples = tuple(dict.fromkeys(values))[:3]
    word = plain(name)
    dated = date_format(values[:200]) if values else None
    target, sure, why = _named(word, known), True, ""
    if not target:
        target, why = _shaped(values)
        sure = False
    if target == "locale" and not _all(_LOCALE.fullmatch, values):
        target = ""
    if target == "country" and not _all(_COUNTRY.fullmatch, values):
        target, why = "", "countries are read as two letters such as SE"
    if target == "birthday" and known.get("birthday") and dated is None:
        target, why = "", "no form of days fits all of them"
    if not target or target in taken or target == "key":
        return Guessed(name, examples=examples, why=why)
    how: dict[str, str] = {}
    kind = known.get(target, "")
    if kind in ("date", "instant"):
        if dated is None:
            return Guessed(name, examples=examples, why="no form of days fits all of them")
        shape, ambiguous = dated
        how["format"] = shape
        if ambiguous:
            sure, why = False, "day and month could be the other way round"
    elif kind == "list":
        separator = next((sign for sign in ";|," if any(sign in text for text in values)), ",")
        how["separator"] = separator
    elif kind in ("number", "money") and not _all(_NUMBER.fullmatch, values):
        return Guessed(name, examples=examples, why="not all of them are plain numbers such as 12.50")
    return Guessed(name, target, how, sure, why, examples)


def _named(word: str, known: dict[str, str]) -> str:
    """Return the field that a column's name means, or an empty text."""
    own = {plain(name): name for name in known}
    if word in own:
        return own[word]
    for target, words in WORDS.items():
        if word in {plain(one) for one in words}:
            return target if target in _FIXED or target in known else ""
    return ""


_FIXED = ("key", "email", "phone", "fax", "locale", "zone", "country", "account")


def _shaped(values: Sequence[str]) -> tuple[str, str]:
    """Return the field that the values look like, and why."""
    if _all(_EMAIL.fullmatch, values):
        return "email", "its values look like e-mail addresses"
    if _all(_ZONE.fullmatch, values):
        return "zone", "its values look like time zones"
    if _all(_PHONE.fullmatch, values) and any(text.startswith(("+", "00")) for text in values):
        return "phone", "its values look like phone numbers"
    return "", ""


def _all(test: Callable[[str], object], values: Sequence[str], share: float = 0.9) -> bool:
    """Tell whether nearly all of the values pass; no value passes nothing."""
    return bool(values) and sum(1 for text in values if test(text)) >= share * len(values)


def _filled(cells: Iterable[Sequence[str]], place: int) -> list[str]:
    return [text for row in cells if (text := row[place].strip())]


def _first(words: Sequence[str], names: dict[str, str]) -> str:
    """Return the column that is called by the first of these words."""
    return next((names[plain(word)] for word in words if plain(word) in names), "")


def _unique(values: dict[str, list[str]], rows: int) -> str:
    """Return the first column whose values are there in every row and never repeat."""
    return next((name for name, texts in values.items() if len(texts) == rows == len(set(texts))), "")


def _instant(names: dict[str, str], values: dict[str, list[str]]) -> Guessed | None:
    """Return the column that says when something happened."""
    for word in AT_WORDS:
        name = names.get(plain(word))
        dated = date_format(values[name][:200]) if name and values[name] else None
        if name and dated is not None:
            shape, ambiguous = dated
            why = "day and month could be the other way round" if ambiguous else ""
            return Guessed(name, "at", {"format": shape}, not ambiguous, why, tuple(values[name][:3]))
    return None


def yes_words(values: Sequence[str]) -> tuple[str, ...]:
    """Return those of the values that mean yes, where all of them are yes or no."""
    found = set(values)
    if not found or any(text.casefold() not in _YES_NO for text in found):
        return ()
    return tuple(sorted(text for text in found if text.casefold() in _YES))
