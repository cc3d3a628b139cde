"""The quality of a score in sentences, as a marketer reads it: is it of use, may its chances be believed, what to watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidings.clock import from_micros, iso, local_day

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_NAMES = {
    "recency": "going by the last time alone",
    "rfm": "going by last time, number and worth together (RFM)",
}


def verdict(quality: dict[str, Any]) -> list[str]:
    """Return what to make of a score: first whether it orders customers better than simpler ways, then its chances."""
    area, compared = quality["auc"], quality["compared"]
    said = []
    if area["low"] <= 0.5:
        said.append("It orders customers no better than chance: do not select by it.")
    for name, one in compared.items():
        against = f"{one['difference']:+.3f}, 95 %: {one['low']:+.3f} … {one['high']:+.3f}"
        if one["better"]:
            said.append(f"Better than {_NAMES[name]} (AUC {one['auc']:.3f}; {against}).")
        elif one["high"] < 0:
            said.append(f"Worse than {_NAMES[name]} (AUC {one['auc']:.3f}; {against}): use that.")
        else:
            said.append(
                f"No better than {_NAMES[name]} (AUC {one['auc']:.3f}; {against}): that would do as well."
            )
    best = quality["groups"][0]
    if best["lift"] is not None:
        said.append(
            f"Of the tenth with the highest chances {best['did']:.1%} did it, {best['lift']:.1f} times the share of all."
        )
    return said


def figures(quality: dict[str, Any], zone: ZoneInfo) -> list[tuple[str, str]]:
    """Return the figures as pairs of a name and what stands beside it; days are those of the workspace clock."""
    trained, validated = quality["trained"], quality["validated"]
    area, score, fit = quality["auc"], quality["brier"], quality["calibration"]
    rows = sum(one["customers"] for one in trained)
    windows = f", in {len(trained)} windows" if len(trained) > 1 else ""
    slope = (
        f"slope {fit['slope']:.2f} ({fit['slope_low']:.2f} … {fit['slope_high']:.2f}; 1 is right)"
        if fit["slope"] is not None
        else "slope not to be told"
    )
    found = [
        (
            "learnt from",
            f"{rows:,} customers{windows}, {_span(trained[-1]['cut_off'], trained[0]['answers_until'], zone)}",
        ),
        (
            "judged by",
            f"{validated['customers']:,} customers, {_span(validated['cut_off'], validated['answers_until'], zone)}, all of it later",
        ),
        (
            "base rate",
            f"{validated['base_rate']:.1%} did it ({validated['did']:,}); {trained[0]['base_rate']:.1%} in what it learnt from",
        ),
        (
            "order",
            f"AUC {area['value']:.3f} (95 %: {area['low']:.3f} … {area['high']:.3f}); 0.5 is chance, 1 without fault",
        ),
        (
            "chances",
            f"Brier {score['value']:.4f}; saying {validated['base_rate']:.1%} of everybody gives {score['of_base_rate']:.4f}",
        ),
        ("calibration", f"{fit['said']:.1%} was said on average, {fit['did']:.1%} came; {slope}"),
    ]
    return found


def _span(opens: int, closes: int, zone: ZoneInfo) -> str:
    # Half-open: what closes at midnight ends with the day before.
    return f"{local_day(from_micros(opens), zone)} to {local_day(from_micros(closes - 1), zone)}"


def as_data(quality: dict[str, Any]) -> dict[str, Any]:
    """Return the quality for programs: instants as ISO 8601 in UTC instead of microseconds."""

    def told(window: dict[str, Any]) -> dict[str, Any]:
        instants = {key: iso(from_micros(window[key])) for key in ("cut_off", "answers_until")}
        return {**window, **instants}

    return {
        **quality,
        "trained": [told(one) for one in quality["trained"]],
        "validated": told(quality["validated"]),
    }
