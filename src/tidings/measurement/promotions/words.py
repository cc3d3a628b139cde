"""What a run earned in plain words: how sure it is, and what nobody can know."""

from __future__ import annotations

from tidings.definitions.money import exponent
from tidings.measurement.effects import Effect, Interval
from tidings.measurement.promotions.earned import Amount
from tidings.measurement.promotions.result import Economics
from tidings.measurement.words import p_value


def sentences(told: Economics) -> list[str]:
    """Return the findings, those of money first."""
    if not told.holds_out:
        found = [
            "Nobody was held out (or nobody was written to), so what it earned beyond that cannot be known."
        ]
    else:
        found = [*_money(told), *_even(told), *_back(told), *_pulled(told)]
    return [*found, *_codes(told), *_anyway(told)]


def amount(value: float, currency: str | None, *, whole: bool = False) -> str:
    """Return money as people read it; large amounts without their decimals."""
    places = 0 if whole or abs(value) >= 10_000 else exponent(currency or "")
    return f"{value:,.{places}f} {currency}"


def between(interval: Interval | None, currency: str | None) -> str:
    """Return the ends of an interval of money, the unit once."""
    if interval is None:
        return "no interval"
    whole = max(abs(one) for one in interval) >= 10_000
    return f"{amount(interval[0], currency, whole=whole).rpartition(' ')[0]} to {amount(interval[1], currency, whole=whole)}"


def verdict(profit: Amount) -> str:
    """Return whether it earned or lost, as far as that is shown."""
    if profit.interval is None:
        return f"nothing can be said about chance: {profit.reason}"
    if profit.interval[0] > 0:
        return "a profit is shown"
    if profit.interval[1] < 0:
        return "a loss is shown"
    return "neither a profit nor a loss is shown"


def _money(told: Economics) -> list[str]:
    if not told.earned:
        return []
    first, currency = told.earned[0], told.currency
    found = []
    gain = first.gain or first.revenue
    if gain is not None and gain.total is not None:
        what = "margin after discounts" if first.gain else "revenue"
        direction = "more" if gain.total[0] >= 0 else "less"
        words = f"Over all {first.customers:,} customers written to, {amount(abs(gain.total[0]), currency)} {direction} {what} than without "
        words += (
            f"(95 %: {between(gain.total[1], currency)})."
            if gain.total[1]
            else f"({gain.difference.reason})."
        )
        found.append(words)
    if first.profit is not None:
        profit = first.profit
        name = "Profit" if profit.total >= 0 else "Loss"
        words = f"{name} after costs of {amount(first.cost, currency)}: {amount(abs(profit.total), currency)}"
        if profit.interval is not None:
            words += f" (95 %, as profit: {between(profit.interval, currency)})"
        words += f"; {verdict(profit)}."
        adjusted = first.adjusted
        if adjusted is not None and adjusted.interval is not None and _worth_telling(first.gain):
            words += (
                f" Allowing for what was known before, profit is {amount(adjusted.total, currency)} "
                f"({between(adjusted.interval, currency)})."
            )
        found.append(words)
    return found


def _worth_telling(gain: Effect | None) -> bool:
    return gain is not None and gain.adjusted is not None and gain.adjusted.reduction >= 0.05


def _even(told: Economics) -> list[str]:
    even = told.break_even
    if even is None:
        return []
    if even.needed is None:
        return [f"No break-even response can be said: {even.reason}."]
    words = (
        f"Break-even: {even.needed:.2%} of those written to would have had to buy ({even.needed_orders or 0:,.0f} orders beyond "
        f"the holdout); {even.response:.2%} did"
    )
    words += f" ({even.interval[0]:.2%} to {even.interval[1]:.2%}), " if even.interval else ", "
    words += f"{even.additional_orders:,.0f} beyond the holdout. "
    if even.reason:
        words += f"{even.reason[0].upper()}{even.reason[1:]}. "
    if even.p_below is None or even.p_above is None:
        return [words.strip()]
    if even.p_below < 0.025:
        words += f"It stayed below break-even (p {p_value(even.p_below)})."
    elif even.p_above < 0.025:
        words += f"It came out above break-even (p {p_value(even.p_above)})."
    else:
        side = "below" if even.p_below < even.p_above else "above"
        words += f"It came out {side} break-even, and that may be chance (p {p_value(min(even.p_below, even.p_above))})."
    return [words]


def _orders(number: float | None) -> str:
    value = number or 0.0
    return f"{abs(value):,.0f} {'more' if value >= 0 else 'fewer'} orders"


def _back(told: Economics) -> list[str]:
    back, currency = told.payback, told.currency
    if back is None:
        return []
    limits = f" (95 %: {between(back.interval, currency)})" if back.interval else ""
    so_far = (
        f"By {back.until} the margin beyond the holdout came to {amount(back.so_far, currency)}{limits}, "
        f"and the costs to {amount(back.cost, currency)}."
    )
    if back.on is None:
        words = f"Not paid back by {back.until}. {so_far}"
        if back.at_this_pace is not None:
            on, earliest, latest = back.at_this_pace
            words += f" At this pace it would be on {on} ({earliest} to {latest or 'never'})."
        return [words]
    if back.slipped:
        return [
            f"Its costs were reached on {back.on}, and that did not last, so it is not paid back. {so_far}"
        ]
    words = f"Paid back on {back.on}"
    if back.surely_on is not None:
        words += f", and by the lower limit of the interval on {back.surely_on}"
    else:
        words += " by the estimate; by the lower limit of the interval not yet, so that may be chance"
    return [f"{words}. {so_far}"]


def _pulled(told: Economics) -> list[str]:
    found = []
    for one in told.pulled:
        if one.orders is None or one.orders.total is None:
            found.append(f"The {one.days} days after the window: known on {one.known_on:%Y-%m-%d}.")
            continue
        total, interval = one.orders.total
        if interval is None:
            found.append(
                f"The {one.days} days after the window: nothing can be said, {one.orders.difference.reason}."
            )
            continue
        low, high = sorted(abs(end) for end in interval) if interval[0] * interval[1] > 0 else interval
        words = f"In the {one.days} days after the window "
        if one.orders.difference.shown:
            words += f"{_orders(total)} than in the holdout (95 %: {low:,.0f} to {high:,.0f})"
            words += ": orders were moved forward." if total < 0 else ": the effect went on."
        else:
            words += f"no difference of orders is shown ({low:+,.0f} to {high:+,.0f})."
        net = one.net if one.net is not None else one.net_orders
        if net is not None and net.total is not None and net.total[1] is not None:
            money = one.net is not None
            what = told.worth if money else "orders"
            left = amount(net.total[0], told.currency) if money else f"{net.total[0]:,.0f}"
            ends = (
                between(net.total[1], told.currency)
                if money
                else f"{net.total[1][0]:,.0f} to {net.total[1][1]:,.0f}"
            )
            words += f" Window and {one.days} days together: {left} of {what} beyond the holdout ({ends})."
        found.append(words)
    return found


def _codes(told: Economics) -> list[str]:
    codes = told.redeemed
    if codes is None:
        return []
    if not codes.made:
        missed = sum(codes.not_counted.values())
        return [f"No code came back that counts{f'; {missed:,} came back that do not' if missed else ''}."]
    by = ", ".join(f"{name} {count:,}" for name, count in codes.good.items() if count)
    words = f"{codes.made:,} codes came back ({by})"
    if codes.discounts is not None and codes.currency:
        words += f"; they took off {amount(sum(codes.discounts.values()) / 10 ** exponent(codes.currency), codes.currency)}"
    if codes.good["holdout"]:
        words += ". The code reached the holdout, so effects are too small"
    return [words + "."]


def _anyway(told: Economics) -> list[str]:
    one = told.anyway
    if one is None or not told.holds_out:
        return []
    share, who, count = one.of_redeemers, "who redeemed", one.redeemers
    if share is None:
        share, who, count = one.of_buyers, "who bought", one.buyers
    if share is None:
        return [f"Who would have bought anyway cannot be said: {one.reason}."]
    span = (
        f"{share.low:.0%}"
        if round(share.low, 2) == round(share.high, 2)
        else f"{share.low:.0%} to {share.high:.0%}"
    )
    words = f"Of the {count:,} customers {who}, {span} would have bought anyway"
    words += f" (95 %: {share.interval[0]:.0%} to {share.interval[1]:.0%})" if share.interval else ""
    if one.subsidised is not None and one.discount:
        low, high = one.subsidised
        words += f"; {amount(low, told.currency) if low == high else between((low, high), told.currency)} of the discounts went to them"
    return [words + "."]
