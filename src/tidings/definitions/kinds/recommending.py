"""What customers are recommended: how many products, learnt from which orders, and what is left out."""

from __future__ import annotations

from dataclasses import dataclass

from tidings.definitions.values import Duration, Unit

# A message names them as `{% for one in recommended %}{{ one.name }}{% endfor %}`.
RECOMMENDED = "recommended"
# What a message may name of each product, with the type that an attribute would have. `because` is the name of the product
# that the customer bought and this one is bought with; a best seller has none.
FIELDS = {
    "name": "text",
    "price": "money",
    "url": "text",
    "picture": "text",
    "category": "text",
    "item": "text",
    "because": "text",
}
BECAUSE = "because"
MOST = 12
_DAYS = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 30, Unit.YEAR: 365}


@dataclass(frozen=True, slots=True)
class Recommendations:
    """`recommendations` of config/workspace.yaml.

    `show`: the most products that one message gets. `learnt_from`: orders of this length of time say what is bought together,
    by no fewer than `at_least` people. `not_again_within`: what a customer bought so lately is left out. `best_sellers_of`: the time
    whose best sellers fill up where too little is known of a customer.
    """

    show: int = 4
    learnt_from: Duration = Duration(1, Unit.YEAR)
    at_least: int = 3
    not_again_within: Duration = Duration(1, Unit.YEAR)
    best_sellers_of: Duration = Duration(30, Unit.DAY)


def in_days(duration: Duration) -> int:
    """Return a length of time in days: 30 for a month, 365 for a year."""
    return duration.amount * _DAYS[duration.unit]
