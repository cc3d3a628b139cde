"""What the laws and the carriers of countries ask of a message, as packs that config/policies.yaml may name in `rules`.

A pack is data: its countries, and demands by kind of channel and class of message. Of caps and hours it says nothing, and of
consent only for faxes: everything else a workspace keeps by its purposes. That a fax has its notice on the first page and the
sender's line holds under any rules. This is a reading of public rules by programmers, and no legal advice.

| pack | demand | where it comes from |
|---|---|---|
| tw | SMS: registered links, registered sender, its name at the start | NCC, since 18 November 2024 (links, short links) and 1 November 2025 (sender's name) |
| tw | a way to leave | Personal Data Protection Act, art. 20: the first marketing contact offers a free refusal |
| cn | e-mail: AD or 广告 at the start of the subject | Measures for Internet E-mail Services (2006), art. 13 |
| cn | SMS: a way to leave, a registered sender | Rules for short messages, in force 1 May 2026 |
| cn | SMS: begins with 【name】 | practice of the carriers, which refuse it otherwise |
| cn | fax: consent | Decision on Strengthening the Protection of Information on Networks (2012), art. 7: commercial messages to a fixed telephone; Advertising Law, art. 43 |
| ru | fax: consent | 38-FZ art. 18(1), which names facsimile |
| ru | SMS: a registered sender | 126-FZ art. 44.1: by contract with the subscriber's operator only |
| us | e-mail: postal address, a way to leave | CAN-SPAM Act, 15 U.S.C. 7704(a)(3) and (5) |
| us | SMS: a way to leave | 47 CFR 64.1200(a)(10): consent is revoked by any reasonable means |
| us | fax: consent | 47 U.S.C. 227(b)(1)(C); 47 CFR 64.1200(a)(4)(i): permission, or an established business relationship with a number given voluntarily, which is a consent with that basis here |
| us | fax: a telephone and a fax number of the country to leave by | 47 CFR 64.1200(a)(4)(iii)(D) |
| eu | fax: consent | Directive 2002/58/EC, art. 13(1), which names facsimile machines |
| eu | e-mail: postal address | Directive 2000/31/EC, art. 5(1)(b) and 6 |
| eu | a way to leave | Directive 2002/58/EC, art. 13(4); GDPR art. 7(3) |
| uk | e-mail: postal address | Companies (Trading Disclosures) Regulations: the registered office stands in business letters by e-mail |
| uk | fax: consent | PECR, regulation 20 |
| uk | a way to leave | PECR, regulations 22 and 23 |
| ca | postal address, a way to leave, of service messages too | CASL, S.C. 2010 c. 23, s. 6(2) and 11; s. 6(6) frees them of consent alone |
"""

from __future__ import annotations

from dataclasses import dataclass

AD_LABEL, SIGNATURE, FOOTER = "missing_ad_label", "missing_signature", "missing_footer"
UNSUBSCRIBE, LINKS, SENDER = "missing_unsubscribe", "link_not_registered", "sender_unverified"
CONSENT = "no_consent"
# Of a way to leave by fax: both numbers of the notice are of the pack's own countries.
DOMESTIC = "domestic"

_ADS = ("marketing", "survey")
_ALL = ("marketing", "survey", "service", "transactional")


@dataclass(frozen=True, slots=True)
class Demand:
    """One thing asked of messages of a kind of channel and of some classes; `code` is the refusal of those that lack it.

    `words`: of a label those of which one begins the subject; of a signature `【` where brackets stand around the name;
    of a way to leave `domestic` where its numbers are those of the country. Demands on faxes are of the channel and of consent,
    not of the words.
    """

    code: str
    kind: str
    classes: tuple[str, ...]
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pack:
    """The rules of some countries (ISO 3166)."""

    name: str
    countries: tuple[str, ...]
    demands: tuple[Demand, ...]

    def of(self, kind: str, message_class: str) -> tuple[Demand, ...]:
        """Return what is asked of messages of a kind and a class."""
        return tuple(one for one in self.demands if one.kind == kind and message_class in one.classes)

    @property
    def title(self) -> str:
        """The name as `tidings explain` and the ledger write it."""
        return f"rules/{self.name}"


_EU = tuple("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK AX IS LI NO".split())  # fmt: skip
_SERVICE_TOO = (*_ADS, "service")
_ALL_PACKS = (
    Pack(
        "tw",
        ("TW",),
        (
            Demand(SENDER, "sms", _ALL),
            Demand(LINKS, "sms", _ALL),
            Demand(SIGNATURE, "sms", _ALL),
            Demand(UNSUBSCRIBE, "email", _ADS),
            Demand(UNSUBSCRIBE, "sms", _ADS),
        ),
    ),
    Pack(
        "cn",
        ("CN",),
        (
            Demand(SENDER, "sms", _ALL),
            Demand(AD_LABEL, "email", ("marketing",), ("AD", "广告", "廣告")),
            Demand(SIGNATURE, "sms", _ALL, ("【",)),
            Demand(UNSUBSCRIBE, "email", _ADS),
            Demand(UNSUBSCRIBE, "sms", _ADS),
            Demand(CONSENT, "fax", _ADS),
        ),
    ),
    Pack("ru", ("RU",), (Demand(SENDER, "sms", _ALL), Demand(CONSENT, "fax", _ADS))),
    Pack(
        "us",
        ("US", "PR", "GU", "VI", "AS", "MP"),
        (
            Demand(FOOTER, "email", _ADS),
            Demand(UNSUBSCRIBE, "email", _ADS),
            Demand(UNSUBSCRIBE, "sms", _ADS),
            Demand(CONSENT, "fax", _ADS),
            Demand(UNSUBSCRIBE, "fax", _ADS, (DOMESTIC,)),
        ),
    ),
    Pack(
        "eu",
        _EU,
        (
            Demand(FOOTER, "email", _ADS),
            Demand(UNSUBSCRIBE, "email", _ADS),
            Demand(UNSUBSCRIBE, "sms", _ADS),
            Demand(CONSENT, "fax", _ADS),
        ),
    ),
    Pack(
        "uk",
        ("GB", "GG", "JE", "IM"),
        (
            Demand(FOOTER, "email", _ADS),
            Demand(UNSUBSCRIBE, "email", _ADS),
            Demand(UNSUBSCRIBE, "sms", _ADS),
            Demand(CONSENT, "fax", _ADS),
        ),
    ),
    Pack(
        "ca",
        ("CA",),
        (
            Demand(FOOTER, "email", _SERVICE_TOO),
            Demand(UNSUBSCRIBE, "email", _SERVICE_TOO),
            Demand(UNSUBSCRIBE, "sms", _ADS),
        ),
    ),
)
PACKS: dict[str, Pack] = {one.name: one for one in _ALL_PACKS}


def packs_named(names: tuple[str, ...]) -> tuple[Pack, ...]:
    """Return the packs of those names, in order."""
    return tuple(PACKS[name] for name in names)
