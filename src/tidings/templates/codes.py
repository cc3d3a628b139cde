"""Codes of the problems that the files of a message may have, and the words of a variant."""

from __future__ import annotations

from tidings.definitions.codes import Code
from tidings.templates.fax.codes import CODES_OF_FAXES
from tidings.templates.sms.codes import CODES_OF_TEXTS

_TEXT = "templates/welcome/email.en.txt"
_HTML = "templates/welcome/email.en.html"
_MJML = "templates/welcome/email.en.mjml"
_CAMPAIGN = "campaigns/spring.yaml"
_FOOTER = "\n{{ postal_address }}\nUnsubscribe: {{ unsubscribe_url }}\n"
_SPRING = "campaign: Spring\nto: everybody\nsend: welcome\nvia: email\n"


def _text(body: str) -> str:
    return f"Subject: Hello\n\n{body}\n{_FOOTER}"


def _html(body: str) -> str:
    foot = '<a href="{{ unsubscribe_url }}">Unsubscribe</a> {{ postal_address }}'
    return f'<!doctype html>\n<html lang="en">\n<body>\n{body}\n<p>{foot}</p>\n</body>\n</html>\n'


def _mjml(words: str) -> str:
    foot = '<a href="{{ unsubscribe_url }}">Unsubscribe</a> {{ postal_address }}'
    body = f"<mj-section><mj-column><mj-text>{words} {foot}</mj-text></mj-column></mj-section>"
    return f'<mjml lang="en">\n<mj-body>\n{body}\n</mj-body>\n</mjml>\n'


def _say(words: str) -> str:
    return f"{_SPRING}variants:\n  warm:\n    say:\n      {words}\n"


_ALL = (
    Code("TPL01", "No text that everybody can fall back to", "Customers whose language is not among the files, or not known, get the workspace's.", "templates/welcome/email.ru.txt", _text("Здравствуйте"), "Write the text in the language of the workspace.", beside=((_TEXT, None),)),
    Code("TPL02", "A part lacks in one language", "Some languages have HTML and this one has not.", "templates/welcome/email.ru.html", _html("<p>Здравствуйте</p>").replace("<body>", "<title>Привет</title>\n<body>"), "Write the part that is named, so that everybody gets the same message."),
    Code("TPL03", "A part is too large", "200,000 bytes is the most; mail programs cut longer messages.", _TEXT, "", "Shorten it; pictures belong on a server."),
    Code("TPL04", "A template is not UTF-8", "Its text was saved in an older encoding.", _TEXT, "Subject: Привет\n\nЗдравствуйте\n", "Save it as UTF-8 in the editor.", encoding="cp1251"),
    Code("TPL05", "An invisible sign in a template", "No mail program shows it, and some refuse the message.", _TEXT, _text("Hello\x07"), "Delete it and type the text again."),
    Code("TPL06", "A line of the head that is none", "Before the first blank line stand Subject and, if you like, Preheader.", _TEXT, f"Subject: Hello\nFrom: Anna\n\nHello\n{_FOOTER}", "Take it out; the sender stands in channels/."),
    Code("TPL07", "No subject", "Every message has one.", _TEXT, f"Subject:\n\nHello\n{_FOOTER}", "Start the file with Subject: and a text."),
    Code("TPL08", "A subject that cannot be sent", "A sign in it may not stand in the head of an e-mail.", _TEXT, f"Subject: Hello \u202egood to see you\n\nHello\n{_FOOTER}", "Type the subject again without it."),
    Code("TPL09", "Two pages for one language", "There is a .html and a .mjml, and nobody knows which is meant.", "templates/welcome/email.en.mjml", _mjml("Hello"), "Delete one of the two.", beside=((_HTML, _html("<p>Hello</p>")),)),
    Code("TPL10", "Template syntax that is not allowed", "A template prints values, asks and repeats; it calls, sets and calculates nothing.", _TEXT, _text("You have {{ orders + 1 }} orders"), "Have the value as an attribute, or leave it out."),
    Code("TPL11", "A value that is no text", "A list or a yes/no has no one way to be printed, and the words of a variant hold values only.", _TEXT, _text("You like {{ interests }}"), "Write {{ interests | join }}, or {% if vip %} … {% endif %}."),
    Code("TPL12", "No such attribute or text", "A template may read attributes, the words of the variant, and a few values of the engine.", _TEXT, _text('Hello {{ full_nam or "you" }}'), "Take the nearest name, or declare it in config/attributes.yaml."),
    Code("TPL13", "No such filter", "Only some filters are there.", _TEXT, _text('Hello {{ full_name | shout or "you" }}'), "Take the nearest name, or one of those listed."),
    Code("TPL14", "A message that works for nobody", "It was rendered for a made-up customer who has every value, and failed.", _HTML, _html("<p>{{ full_name | date }}</p>"), "Mend the place that is named."),
    Code("TPL15", "A variant lacks a text", "No text fits the language of the files or of the workspace.", _CAMPAIGN, _say("headline: {ru: Привет}"), "Add the text in the language of the workspace."),
    Code("TPL16", "A name of `say` is taken", "An attribute, or a value of the engine, has it already.", _CAMPAIGN, _say("full_name: Hello"), "Use another word in `say` and in the files."),
    Code("TPL17", "A text in another language", "The file is in one language and the words that it takes from the variant in another.", _CAMPAIGN, _say("headline: {en: Hello}"), "Add the text in the language of the files.", "warning", beside=(("templates/welcome/email.ru.txt", _text("Здравствуйте, {{ headline }}")),)),
    Code("TPL18", "No form of address in this language", "{{ salutation }} is there for the languages that the reference lists.", "templates/welcome/email.ko.txt", _text("{{ salutation }}"), "Write the greeting into the template."),
    Code("TPL20", "HTML that mail programs refuse", "They remove scripts, forms and frames, or refuse the message.", _HTML, _html("<form>Your name</form>"), "Take it out; link to a page instead."),
    Code("TPL21", "A value in a style", "Nothing protects a style sheet or script from what a customer's value may hold.", _HTML, _html('<p style="color: {{ full_name }}">Hello</p>'), "Choose between fixed styles with {% if %}."),
    Code("TPL22", "A value inside a tag", "A value is safe between tags and between the quotes of an attribute, nowhere else.", _HTML, _html('<p title={{ full_name or "" }}>Hello</p>'), "Put quotes around it."),
    Code("TPL23", "A picture without its whole address", "In a mailbox there is no page that the address could be relative to.", _HTML, _html('<img src="logo.png" alt="">'), "Write it with https:// and the host."),
    Code("TPL24", "A link to nowhere certain", "Scheme and host stand in the template; a value could lead anywhere.", _HTML, _html('<a href="/sale">To the sale</a>'), "Write https://, the host, and then what you like."),
    Code("TPL25", "MJML that cannot be read", "An element is unknown, or not closed, or stands where MJML allows none.", _MJML, _mjml("Hello").replace("<mj-column>", "<mj-colum>"), "Take the nearest name, or close the element."),
    Code("TPL26", "Jinja in a place where MJML loses it", "Values stand in words, statements around whole elements; inside a tag, in mj-head and in mj-social there is no room for either.", _MJML, _mjml("Hello").replace("<mj-column>", '<mj-column {% if vip %}width="50%"{% endif %}>'), "Put the statement around the whole element."),
    Code("TPL27", "A picture that is not there", "Pictures of a message lie in its folder images/.", _HTML, _html('<img src="images/logo.png" width="40" alt="">'), "Take the nearest name, or put the file there."),
    Code("TPL28", "A picture that mail programs do not show", "PNG, JPEG and GIF are shown everywhere; SVG is not, and may hold scripts.", _HTML, _html('<img src="images/logo.svg" width="40" alt="">'), "Save it as PNG, twice as wide as it is shown.", beside=(("templates/welcome/images/logo.svg", "<svg/>"),)),
    Code("TPL29", "A picture that is too large", "1,000,000 bytes is the most.", _HTML, "", "Make it smaller: 1,200 pixels are wide enough."),
    Code("TPL30", "No way to unsubscribe", "The law and the mailbox providers ask for one in every part of a marketing message.", _TEXT, "Subject: Hello\n\nHello\n\n{{ postal_address }}\n", "Add {{ unsubscribe_url }}."),
    Code("TPL31", "No postal address", "The law asks for the sender's in every marketing message.", _TEXT, "Subject: Hello\n\nHello\n\n{{ unsubscribe_url }}\n", "Add {{ postal_address }}, and postal_address: in config/workspace.yaml."),
    Code("TPL32", "A picture without words", "Whoever cannot see it, or has pictures off, gets nothing in its place.", _HTML, _html('<img src="https://shop.example/spring.png" width="40">'), 'Write alt="…", empty where it is decoration.', "warning"),
    Code("TPL33", "A page that does not say its language", "Screen readers then read it out in a wrong one.", _HTML, _html("<p>Hello</p>").replace(' lang="en"', ""), 'Write <html lang="en">.', "warning"),
    Code("TPL34", "A picture without its width", "Outlook then draws it as large as it is; and a height that does not fit distorts it.", _HTML, _html('<img src="https://shop.example/spring.png" alt="">'), 'Write width="…".', "warning"),
    Code("TPL35", "A page that is too wide", "700 pixels is the most, 600 is usual.", _HTML, _html('<table width="900"><tr><td>Hello</td></tr></table>'), "Make it narrower.", "warning"),
    Code("TPL36", "A picture from somebody else's server", "They may change it, lose it, or watch who opens the mail.", _HTML, _html('<img src="https://pictures.example/spring.png" width="40" alt="">'), "Put it in images/ beside the file.", "warning"),
    Code("TPL37", "A link that is not encrypted", "http:// can be read and changed on the way.", _HTML, _html('<a href="http://shop.example/sale">To the sale</a>'), "Write https://.", "warning"),
    Code("TPL38", "A long subject", "Most programs show 70 signs, phones 40.", _TEXT, _text("Hello").replace("Subject: Hello", "Subject: " + "Everything for the garden " * 4), "Put what matters first, and shorten it.", "warning"),
    Code("TPL39", "A customer's data in a link", "Links are kept in logs and histories of many machines.", _HTML, _html('<a href="https://shop.example/?who={{ email }}">Your page</a>'), "Send {{ key }}, or nothing.", "warning"),
    Code("TPL40", "A sender that mail servers refuse", "An address needs a local part in ASCII and a domain that exists in ASCII too.", "channels/email.yaml", "channel: E-mail\nadapter: smtp\nsender: Магазин <привет@shop.example>\noptions: {host: mail.shop.example}\n", "Write an address in plain letters; the name may be in any script."),
    Code("TPL41", "A code that nobody sees", "The offer gives every message a code of its own, and the message does not show it.", _CAMPAIGN, f"{_SPRING}offer: {{gives: 25% off, codes: one each from spring25}}\n", "Write {{ offer.code }} where the customer looks for it.", "warning"),
    Code("TPL42", "A trap that people can find", "A link to #tidings-trap tells programs from people, who must neither see nor hear it.", _HTML, _html('<a href="https://shop.example/#tidings-trap" style="display:none">.</a>'), 'Add aria-hidden="true" tabindex="-1" style="display:none".'),
)  # fmt: skip
CODES: dict[str, Code] = {code.code: code for code in (*_ALL, *CODES_OF_TEXTS, *CODES_OF_FAXES)}
