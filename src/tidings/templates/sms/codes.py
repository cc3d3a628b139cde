"""Codes of the problems that a text message may have."""

from __future__ import annotations

from tidings.definitions.codes import Code

_EN = "templates/welcome/sms.en.txt"
_CN = "templates/welcome/sms.zh-CN.txt"
_BOTH = ("campaigns/spring.yaml", "campaign: Spring\nto: everybody\nsend: welcome\nvia: [email, text]\n")
_PLAIN = (_EN, "Spring sale: 20% off until Sunday\n")
_LONG = "Spring is here and the beds are waking up; what you liked last year is back on our shelves. "

CODES_OF_TEXTS = (
    Code("TPL60", "A text message of many segments", "Each segment is paid for; counted with long but plausible values.", _EN, _LONG * 6 + "\n", "Shorten it.", "warning", beside=(_BOTH,)),
    Code("TPL61", "A sign that makes segments short", "One sign outside the alphabet of text messages leaves 70 signs to a segment instead of 160.", _EN, "Spring sale 🌷 20% off until Sunday\n", "Replace it.", "warning", beside=(_BOTH,)),
    Code("TPL62", "A text message that nobody can leave", "Marketing texts say how to stop them; the engine has the words in English, Russian and Chinese.", "templates/welcome/sms.sv.txt", "Vårrea: 20 % rabatt till på söndag\n", "Write the words yourself, or give them as opt_out of `say`.", beside=(_BOTH, _PLAIN)),
    Code("TPL63", "No signature on a text for China", "Carriers there refuse texts without the registered name of the sender in 【】.", _CN, "春季促销，八折优惠至周日\n", "Set signature: under options: of the channel, or begin the text with it.", "warning", beside=(_BOTH, _PLAIN)),
    Code("TPL64", "HTML in a text message", "A phone shows it as it is written.", _EN, "Spring sale:<br>20% off until Sunday\n", "Write plain text.", beside=(_BOTH,)),
    Code("TPL65", "A link that cannot be shortened", "It leads elsewhere for everybody, so it is written out whole and its clicks are not counted.", _EN, 'Your sale: https://shop.example/sale?level={{ member_level or "basic" }}\n', "Take the value out, or write one link for each case.", "warning", beside=(_BOTH,)),
)  # fmt: skip
