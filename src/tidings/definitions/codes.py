"""Every code that a problem of a definition may carry: what it means, a file that provokes it, and the way out.

Messages, channels and segments keep codes of their own beside their code (templates/codes.py and its like). The
reference page is generated from these registries, and a test provokes every code with its own example.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of problem. `example` is the content of `path` that provokes it ("" where it cannot be shown).

    `beside` are other files that this takes, by path; None leaves one of the sample out.
    """

    code: str
    title: str
    means: str
    path: str
    example: str
    fix: str
    severity: str = "error"
    encoding: str = "utf-8"
    beside: tuple[tuple[str, str | None], ...] = ()


_S = "segments/new_people.yaml"
_C = "campaigns/hello.yaml"
_I = "config/imports/orders.yaml"
_CAMPAIGN = "campaign: Hello\nto: everybody\nsend: welcome\nvia: email\n"
_EVENTS = "import: Orders\nkind: events\nevent: order_placed\ncustomer: customer\nat: day\n"


_F = "flows/hello.yaml"


def _flow(steps: str, starts: str = "{did: order_placed}", rest: str = "") -> str:
    return f"flow: Hello\nstarts: {starts}\n{rest}steps:\n{steps}"


_LETTER = "  letter: {send: welcome, via: email}\n"


def _segment(condition: str) -> str:
    return f"segment: New people\nwhere:\n  - {condition}\n"


_GOALS = "goals: What we want\nmore_revenue: {title: More revenue, kind: money, measure: revenue, target: 50000 EUR, from: 2027-01-01, by: 2027-12-31, owner: us@shop.example}\n"
_ADS = "import: Ads\nkind: costs\nday: day\namount: {column: cost, money: EUR}\nmedium: {value: search}\nsource: {value: network}\n"
_ALL = (
    Code("FIL01", "A file cannot be read", "It vanished, is a link to nowhere, or its rights forbid reading.", _S, "", "Check its name and rights."),
    Code("FIL02", "A file is not UTF-8", "Its text was saved in an older encoding; the likely ones are named.", _S, "segment: Новые покупатели\nwhere:\n  - country: RU\n", "Save it as UTF-8 in the editor.", encoding="cp1251"),
    Code("FIL03", "A file is too large", "1 MB is the most; definitions are written by people.", _S, "", "Keep lists of customers in a CSV file and import them."),
    Code("FIL04", "An invisible sign", "A control sign or an odd line break stands in the text.", _S, "segment: New\x07 people\nwhere:\n  - country: SE\n", "Delete it and type the text again."),
    Code("FIL05", "A file name is no id", "The file name is the id of the definition: letters, digits, _ and -.", "segments/new people.yaml", _segment("country: SE"), "Rename it to new_people.yaml."),
    Code("FIL06", "A file is not read", "It lies where this version of tidings reads nothing, or ends in .yml.", "config/rates.yaml", "rates: What a euro costs\n", "Move or rename it; what is not supported yet has no effect.", "warning"),
    Code("FIL08", "A file is missing", "A workspace needs config/workspace.yaml and config/policies.yaml.", "config/policies.yaml", "", "Write it, or start a workspace with `tidings init`."),
    Code("FIL09", "A file is empty", "It has no line that says anything.", _S, "# later\n", "Write its first line, or delete the file."),
    Code("FIL10", "Too many problems in one file", "Only the first 200 are said; the rest may be their consequence.", _S, "segment: New people\nwhere:\n" + "  - contry: SE\n" * 201, "Mend these first."),
    Code("YAM01", "YAML cannot read a line", "A line has no key and colon, or its indentation fits nothing above it.", _S, "segment: New people\nwhere:\n  - country: SE\n - email: known\n", "Give it as many spaces in front as its neighbours have."),
    Code("YAM02", "A colon in a text", "YAML takes a colon and a space for the end of a key.", _S, "segment: Только сегодня: новые\nwhere:\n  - country: RU\n", 'Put the text in quotes: segment: "Только сегодня: новые".'),
    Code("YAM03", "A text starts with a sign of YAML", "! @ * & % and ` have a meaning of their own at the start of a text.", _S, "segment: @home\nwhere:\n  - country: SE\n", 'Put the text in quotes: segment: "@home".'),
    Code("YAM04", "A comment swallows text", "What follows # is dropped; a text with # in it stands in quotes.", _S, "segment: 今天只要 #1\nwhere:\n  - country: TW\n", 'Write segment: "今天只要 #1", or put two spaces before a comment.'),
    Code("YAM05", "A key is written twice", "Only one of them could hold, and nobody knows which.", _S, "segment: New people\nwhere:\n  - country: SE\nwhere:\n  - country: NO\n", "Delete one, or join them."),
    Code("YAM06", "Anchors, aliases, tags and merge keys", "Definitions refer to each other by name instead.", _S, "segment: New people\nwhere: &base\n  - country: SE\n", "Write it out, or refer to a segment by name."),
    Code("YAM07", "More than one document", "A file holds one definition; --- and % lines have no place in it.", _S, "segment: New people\nwhere:\n  - country: SE\n---\nsegment: Others\n", "Move the second to a file of its own."),
    Code("YAM08", "Nested too deep", "More than 20 levels are a mistake.", _S, "segment: New people\nwhere: " + "[" * 25 + "]" * 25 + "\n", "Refer to another segment instead of nesting."),
    Code("YAM09", "A tab", "YAML is indented with spaces.", _S, "segment: New people\nwhere:\n\t- country: SE\n", "Set the editor to write spaces."),
    Code("YAM10", "A quote or bracket is not closed", "Or something follows where it closes.", _S, "segment: New people\nwhere:\n  - country: [SE, NO\n", "Close it on the same line."),
    Code("YAM11", "An operator", "Conditions are written in words.", _S, _segment("orders: >= 2"), "Write orders: at least 2."),
    Code("YAM12", "No space after a colon", "YAML needs one to see a key.", _S, "segment:New people\nwhere:\n  - country: SE\n", "Write segment: New people."),
    Code("YAM13", "A key that is no text", "Usually a text that starts with {{ and has no quotes.", _S, "segment: New people\nwhy: {{ reason }}\nwhere:\n  - country: SE\n", 'Put the text in quotes: why: "{{ reason }}".'),
    Code("KBD01", "A full-width sign", "Chinese and Japanese input methods write ： ， ％ ［ ］ in place of : , % [ ].", _C, _CAMPAIGN + "holdout：10％\n", "Write the plain sign: holdout: 10%."),
    Code("KBD02", "Two scripts in one name", "A Cyrillic с looks like a Latin c, and makes another name.", _S, _segment("\u0441ountry: RU"), "Type the name again in one script."),
    Code("KBD03", "A space that is none", "Word processors write no-break spaces and signs that nobody sees.", _S, _segment("orders: at\u00a0least\u00a02"), "Type a plain space."),
    Code("KEY01", "An unknown key", "Every key has a meaning; this one has none here.", _C, _CAMPAIGN + "houldout: 10%\n", "Take the nearest name, or delete the line."),
    Code("KEY02", "A key is missing", "The caret stands where it should go.", _C, "campaign: Hello\nto: everybody\nvia: email\n", "Write it."),
    Code("KEY03", "Another shape", "A list, keys with values, or one value was expected.", _S, "segment: New people\nwhere: country\n", "Write it as the sentence says."),
    Code("KEY04", "Not supported by this version", "The language has it, this version of tidings does not do it.", "channels/email2.yaml", "channel: E-mail\nadapter: smtp\nquiet: 21:00\n", "Leave it out; nothing of it would happen."),
    Code("KEY05", "Another kind of file", "The first key says the kind, the folder which kind belongs there.", _S, _CAMPAIGN, "Move the file, or its title to the first line."),
    Code("KEY06", "Another name", "The key is spelt otherwise here.", _C, _CAMPAIGN + "spend: 400 EUR\n", "Write budget: 400 EUR for a limit."),
    Code("KEY07", "Keys that exclude or need each other", "Both together, or one without the other, mean nothing.", _S, _segment("did: order_placed\n    within: last 30 days\n    between: 2027-01-01 and 2027-03-31"), "Keep one of them."),
    Code("KEY08", "Read, and not acted on yet", "The key is checked for mistakes; nothing happens by it. `tidings run` refuses a campaign where such a key decides who gets what, or when.", _C, _CAMPAIGN + "pilot: {on: 12, judge: after 8 weeks, go_on_if: orders at least 3}\n", "Leave it, and run the campaign when a later version acts on it; or delete it.", "warning"),
    Code("VAL01", "A value of another type", "A number, or true or false, was expected.", "channels/email2.yaml", "channel: E-mail\nadapter: smtp\nconnections: many\n", "Write connections: 8."),
    Code("VAL02", "A word that is not on the list", "Only some words have a meaning here.", _S, "segment: New people\nmembers: manual\n", "Take one of the words listed."),
    Code("VAL03", "A number outside its limits", "It is too small or too large to work.", "channels/email2.yaml", "channel: E-mail\nadapter: smtp\nconnections: 1000\n", "Write a number inside the limits."),
    Code("VAL04", "A name that cannot be one", "Names start with a letter, have letters, digits and _, and are no word of the language.", _C, _CAMPAIGN + "variants:\n  holdout:\n    say: {headline: Hello}\n", "Call it otherwise."),
    Code("VAL05", "An unknown time zone", "Zones are named Area/City.", _I, _EVENTS.replace("at: day", "at: {column: day, zone: Europe/Stokholm}"), "Write Europe/Stockholm."),
    Code("VAL06", "A currency is missing or unknown", "Amounts name one of the codes of ISO 4217.", _C, _CAMPAIGN + "budget: 2000\n", "Write budget: 2000 EUR."),
    Code("VAL07", "A text of another form", "An address, a locale or a form of dates is written in one way.", _I, _EVENTS.replace("at: day", "at: {column: day, format: d.m.Y}"), "Write format: DD.MM.YYYY."),
    Code("VAL08", "Shares that do not add up", "Over 100%, or somebody would get nothing.", _C, _CAMPAIGN + "variants:\n  warm: {share: 60%}\n  direct: {share: 60%}\n", "Make them 100%, or leave one out: it takes the rest."),
    Code("VAL09", "A name that stands twice in a list", "The second would do nothing; perhaps another was meant.", _C, _CAMPAIGN.replace("via: email", "via: [email, email]"), "Delete one of them."),
    Code("SEC01", "A secret in a file", "Passwords and keys live in environment variables; the file holds their NAMES.", "channels/email2.yaml", "channel: E-mail\nadapter: smtp\nsecrets:\n  password: correct-horse-battery\n", "Write password: TIDINGS_SMTP_PASSWORD, and set that variable."),
    Code("PHR01", "Not a share", "A share is a number from 0 to 100 and %.", _C, _CAMPAIGN + "holdout: 12,5%\n", "Write 12.5%."),
    Code("PHR02", "Not a length of time", "A number and a unit: minutes, hours, days, weeks, months, years.", _C, _CAMPAIGN + "expires: две недели\n", "Write 2 weeks."),
    Code("PHR03", "Not an amount of money", "A number and a currency code.", _C, _CAMPAIGN + "budget: 1 200 руб\n", "Write 1200 RUB."),
    Code("PHR04", "Not a date or an hour", "Dates are year-month-day, hours are 09:30.", _C, _CAMPAIGN + "at: 02.03.2027 10:00\n", "Write 2027-03-02 10:00."),
    Code("PHR05", "A phrase that does not fit", "It is said of another type of value, or misspelt.", _S, _segment("country: at least 5"), "Use a phrase for the type, or {is: …} for the text itself."),
    Code("PHR06", "A window that looks the wrong way", "Conditions look back (last 180 days), goals look ahead (14 days).", _S, _segment("did: order_placed\n    within: 180 days"), "Write within: last 180 days."),
    Code("PHR07", "Not a number of times", "A number, or at least, at most, between.", _S, _segment("did: order_placed\n    times: twice"), "Write times: at least 2."),
    Code("PHR08", "A range that fits nothing", "Its first end is above the second.", _S, _segment("orders: between 10 and 5"), "Write between 5 and 10."),
    Code("PHR09", "Another currency", "Amounts of different currencies are never compared.", _S, _segment("lifetime_value: at least 500 USD"), "Write the amount in the currency of the attribute."),
    Code("PHR10", "Not a rhythm", "How often is said in one of a few ways: a day, days of a week, a day of a month, each with an hour.", _C, _CAMPAIGN + "every: Tuesday\n", "Write such as every: week on Tue at 10:00."),
    Code("REF01", "No such segment", "The file name of a segment is its name.", _C, _CAMPAIGN.replace("everybody", "evrybody"), "Take the nearest name, or write the segment."),
    Code("REF02", "No such channel", "The file name of a channel is its name.", _C, _CAMPAIGN.replace("via: email", "via: e_mail"), "Take the nearest name, or write the channel."),
    Code("REF03", "No such purpose", "Purposes stand in config/policies.yaml.", _C, _CAMPAIGN + "purpose: marketting\n", "Take the nearest name, or declare it."),
    Code("REF04", "No such attribute", "Attributes stand in config/attributes.yaml.", _S, _segment("contry: SE"), "Take the nearest name, or declare it."),
    Code("REF05", "No such event", "Events stand in config/events.yaml; responses such as clicked are built in.", _S, _segment("did: order_place"), "Take the nearest name, or declare it."),
    Code("REF06", "No such property", "Properties stand under their event in config/events.yaml.", _S, _segment("did: order_placed\n    with: {categry: garden}"), "Take the nearest name, or declare it."),
    Code("REF07", "Segments in a circle", "A segment cannot be made of itself.", _S, _segment("segment: new_people"), "Say the conditions in one of them."),
    Code("REF08", "No such message", "A message is a folder in templates/.", _C, _CAMPAIGN.replace("send: welcome", "send: wellcome"), "Take the nearest name, or make the folder."),
    Code("REF09", "A message lacks a file", "A channel of `via` finds nothing to send.", _C, _CAMPAIGN.replace("via: email", "via: [email, text]"), "Write the file that is named, or take the channel out."),
    Code("REF10", "A value that never occurs", "The attribute is closed to other values.", _S, _segment("member_level: golden"), "Take one of its values, or add this one."),
    Code("REF13", "No such goal", "Goals of the company stand in config/goals.yaml.", _C, _CAMPAIGN + "serves: more_revnue\n", "Take the nearest name, or write the goal.", beside=(("config/goals.yaml", _GOALS),)),
    Code("REF14", "Nothing to put customers in order by", "A rank goes by an attribute that has a highest, or by a score of config/scores.yaml.", _S, _segment("country: SE") + "rank: {by: lifetime_valu, keep: top 40%}\n", "Take the nearest name, or write the score."),
    Code("REF15", "No such campaign", "What a file of ads or costs calls a campaign leads to one of ours, or to a flow.", "config/imports/ads.yaml", _ADS + "campaign: {column: campaign, values: {Spring 2027: sprng}}\n", "Take the nearest name; rows that are for none of ours are kept without it."),
    Code("REF16", "An offer that no file makes", "What customers redeemed is named by the campaign that offered it, or FLOW.STEP. One that is over may be gone; one that is mistyped counts nobody.", _S, "segment: Redeemed\nwhere:\n  - did: redeemed\n    with: {offer: sprng}\n", "Take the nearest name, or leave it where the campaign is over.", severity="warning"),
    Code("FLW01", "A step that nobody comes to", "Every way leads past it, or its conditions exclude each other.", _F, _flow(_LETTER.replace("}", ", then: end}") + "  again: {send: welcome, via: email}\n"), "Name it in then:, if_not: or split:, or delete it."),
    Code("FLW02", "A wait without a limit", "Who never does what is waited for would wait for ever.", _F, _flow("  answer:\n    wait_for: {did: order_placed}\n" + _LETTER), "Write such as up_to: 3 days."),
    Code("FLW03", "A jump that does not lead on", "A flow goes on to later steps only, and a wait is for the answer to an earlier message.", _F, _flow(_LETTER + "  back: {after: 1 day, then: letter}\n"), "Name a later step, or end."),
    Code("FLW04", "No such step", "Steps are named as under steps:.", _F, _flow(_LETTER + "  later: {after: 1 day, then: lettr}\n"), "Take the nearest name."),
    Code("FLW05", "A step that nobody passes over", "instead_of names a step with a `when:`, for only that can be passed over.", _F, _flow(_LETTER + "  other: {instead_of: letter, send: welcome, via: email}\n"), "Write a `when:` there, or delete instead_of."),
    Code("FLW06", "A start that can never fire", "No customer can ever have it: a response to a message, or conditions that exclude each other.", _F, _flow(_LETTER, "{did: clicked}"), "Start it by an event of config/events.yaml, a segment or a date."),
    Code("FLW07", "A flow that feeds itself", "One of its steps starts it for the same customer once more, and so on for ever.", _F, _flow("  waiting: {after: 1 day}\n  thanks: {add_to: fair_leads}\n", "{enters: fair_leads}", "again: always\n"), "Write again: never, or after such as 30 days.", beside=(("segments/fair_leads.yaml", "segment: Leads\nmembers: listed\n"),)),
    Code("FLW08", "Nobody of that name on the staff", "People stand in config/staff.yaml.", _F, _flow("  call: {notify: sales}\n"), "Write them there, each with an e-mail address."),
    Code("FLW09", "A step that does nothing, or two things", "A step does one thing, or it waits.", _F, _flow("  letter: {send: welcome, via: email, notify: sales}\n"), "Make two steps of it.", beside=(("config/staff.yaml", "staff: Us\nsales: sales@shop.example\n"),)),
    Code("REF12", "A name is taken", "Two things of one name could not be told apart.", "config/imports/test.yaml", "import: A test\nkind: experiment\ncampaign: spring\ncustomer: id\narm: arm\noutcomes: {visit: visit}\n", "Call one of them otherwise."),
    Code("CMP01", "A goal that only compares variants", "Those held out get no message, so they cannot open or click it.", _C, _CAMPAIGN + "goal: {did: clicked, within: 3 days}\n", "Name an event that every customer can have.", "warning"),
    Code("CMP02", "A text lacks the workspace's language", "Customers whose language is not known get that one.", _C, _CAMPAIGN + "variants:\n  warm:\n    say:\n      headline: {ru: Привет}\n", "Add the text in that language.", "warning"),
    Code("OFR01", "Too few codes", "The pool of `codes: one each from …` has fewer free codes than there are messages; `tidings plan` and `run` look.", _C, "", "Make more with `tidings codes make`, or narrow the audience."),
    Code("OFR02", "No stock to go by", "The product of the offer is not in the store, or no stock of it is known.", _C, "", "Import products and stock, or correct `product`."),
    Code("OFR03", "Sold out before it begins", "The stock is below `stop_when` already, so everybody would be refused.", _C, "", "Wait for new stock, or lower `stop_when`."),
)  # fmt: skip
CODES: dict[str, Code] = {code.code: code for code in _ALL}
