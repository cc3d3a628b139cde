"""The codes of countries (ISO 3166-1 alpha-2), so that a mistyped one is found when files are read."""

from __future__ import annotations

from tidings.definitions.context import Context, did_you_mean
from tidings.definitions.nodes import Node
from tidings.definitions.quantities import reading_trap
from tidings.definitions.schema import Reader, expect_scalar

CODES = tuple(
    (
        "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
        "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR "
        "GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP "
        "KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT "
        "MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW "
        "SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG "
        "UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"
    ).split()
)
# What people write instead.
_OTHERWISE = {"UK": "GB", "EN": "GB", "EL": "GR"}


def _read(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "a country such as SE")
    text, meant = scalar.text, scalar.text.strip().upper()
    if text in CODES:
        return text
    meant = _OTHERWISE.get(meant, meant)
    if meant in CODES:
        hint = f"write {meant}"
    else:
        trap = reading_trap(scalar, context)
        if trap:
            raise trap
        hint = did_you_mean(meant, CODES, listing=False) or "write the two capitals of ISO 3166, such as SE"
    raise context.report("VAL02", scalar, f'"{text}" is not the code of a country', hint)


COUNTRIES = Reader(_read, "a country such as SE", {"enum": list(CODES)})
