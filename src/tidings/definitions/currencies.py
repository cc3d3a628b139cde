"""The currencies that an amount may name: the active codes of ISO 4217."""

from __future__ import annotations

CURRENCIES = frozenset(
    (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD "
        "CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
        "GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT "
        "LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR "
        "NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP "
        "STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYI UYU UZS VED VES VND VUV WST XAF "
        "XCD XOF XPF YER ZAR ZMW ZWG"
    ).split()
)

# Signs and words people write instead of a code, and the codes they may mean; more than one is ambiguous.
SIGNS: dict[str, tuple[str, ...]] = {
    "NT$": ("TWD",),
    "HK$": ("HKD",),
    "US$": ("USD",),
    "A$": ("AUD",),
    "C$": ("CAD",),
    "R$": ("BRL",),
    "$": ("USD", "TWD"),
    "€": ("EUR",),
    "£": ("GBP",),
    "₽": ("RUB",),
    "₴": ("UAH",),
    "₸": ("KZT",),
    "₩": ("KRW",),
    "₹": ("INR",),
    "\u00a5": ("CNY", "JPY"),
    "\uffe5": ("CNY", "JPY"),
    "円": ("JPY",),
    "人民币": ("CNY",),
    "人民幣": ("CNY",),
    "新台幣": ("TWD",),
    "台幣": ("TWD",),
    "元": ("CNY", "TWD"),
    "圓": ("TWD",),
    "块": ("CNY",),
    "塊": ("TWD",),
    "рублей": ("RUB",),
    "рубля": ("RUB",),
    "рубль": ("RUB",),
    "руб.": ("RUB",),
    "руб": ("RUB",),
    "р.": ("RUB",),
    "евро": ("EUR",),
    "долларов": ("USD",),
    "euros": ("EUR",),
    "euro": ("EUR",),
    "dollars": ("USD",),
    "kr": ("SEK", "NOK", "DKK"),
}
