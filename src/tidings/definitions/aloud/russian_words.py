"""The words of a Russian sentence."""

from __future__ import annotations

from tidings.definitions.values import Duration, Order, TextPlace, Unit

MONTHS = "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()
# One, two to four, five and more in the accusative; one and more in the genitive.
UNITS = {
    Unit.MINUTE: ("минуту", "минуты", "минут", "минуты", "минут"),
    Unit.HOUR: ("час", "часа", "часов", "часа", "часов"),
    Unit.DAY: ("день", "дня", "дней", "дня", "дней"),
    Unit.WEEK: ("неделю", "недели", "недель", "недели", "недель"),
    Unit.MONTH: ("месяц", "месяца", "месяцев", "месяца", "месяцев"),
    Unit.YEAR: ("год", "года", "лет", "года", "лет"),
}
FEMININE = (Unit.MINUTE, Unit.WEEK)
# "in a Tuesday", "every first Tuesday of the month"
ON_DAYS = ("по понедельникам", "по вторникам", "по средам", "по четвергам", "по пятницам", "по субботам", "по воскресеньям")  # fmt: skip
ONE_DAY = ("понедельник", "вторник", "среду", "четверг", "пятницу", "субботу", "воскресенье")
NTH = {
    1: ("первый", "первую", "первое"), 2: ("второй", "вторую", "второе"), 3: ("третий", "третью", "третье"),
    4: ("четвёртый", "четвёртую", "четвёртое"), -1: ("последний", "последнюю", "последнее"),
}  # fmt: skip
GENDER = (0, 0, 1, 0, 1, 1, 2)
BY = {"email": "по электронной почте", "sms": "по SMS", "fax": "по факсу", "call": "по телефону", "letter": "письмом"}  # fmt: skip
CARRIES = {"email": "электронные письма", "sms": "SMS", "fax": "факсы", "call": "телефонные звонки", "letter": "бумажные письма"}  # fmt: skip
ORDER = {
    Order.AT_LEAST: "не меньше", Order.AT_MOST: "не больше", Order.MORE_THAN: "больше", Order.LESS_THAN: "меньше",
}  # fmt: skip
DATED = {
    Order.AT_LEAST: "не раньше", Order.AT_MOST: "не позже", Order.MORE_THAN: "позже", Order.LESS_THAN: "раньше",
}  # fmt: skip
PLACE = {
    TextPlace.STARTS: "начинается с", TextPlace.ENDS: "заканчивается на", TextPlace.CONTAINS: "содержит",
}  # fmt: skip
HOW = {"total": "сумма", "average": "среднее", "largest": "наибольшее значение"}
WORTH = {"revenue": "выручка", "margin": "маржа"}
NOT_BREAKING = "\u00a0"


def length(one: Duration, *, genitive: bool = False) -> str:
    """Return a length of time as it stands after "через" (accusative), or after "в течение" (genitive)."""
    single, few, many, single_of, many_of = UNITS[one.unit]
    if genitive:
        form = single_of if one.amount % 10 == 1 and one.amount % 100 != 11 else many_of
    else:
        form = plural(one.amount, single, few, many)
    return f"{one.amount} {form}"


def last(one: Duration) -> str:
    """Return `последние 30 дней`, `последний день`, `последнюю неделю`."""
    if one.amount == 1:
        return f"{'последнюю' if one.unit in FEMININE else 'последний'} {UNITS[one.unit][0]}"
    return f"последние {length(one)}"


def plural(count: int, one: str, few: str, many: str) -> str:
    """Return the form of a noun after a number: 1 день, 2 дня, 5 дней."""
    if count % 10 == 1 and count % 100 != 11:
        return one
    return few if 2 <= count % 10 <= 4 and count % 100 not in (12, 13, 14) else many


ON_HOLIDAYS = {
    "skip": "в праздники ничего не отправляется",
    "next workday": "с праздника переносится на следующий рабочий день",
}
MISFIRE = {
    "skip": "опоздавшая более чем на 12 часов пропускается",
    "catch_up": "опоздавшая более чем на 12 часов уходит сразу",
    "reschedule": "опоздавшая более чем на 12 часов переносится на тот же час следующего дня",
}
