"""Codes of the problems that a fax may have."""

from __future__ import annotations

from tidings.definitions.codes import Code

_PATH = "templates/welcome/fax.en.html"
_BOTH = (
    ("campaigns/spring.yaml", "campaign: Spring\nto: everybody\nsend: welcome\nvia: [email, fax]\n"),
    ("channels/fax.yaml", "channel: Fax\nadapter: t30\nkind: fax\nsender: Shop <+46850001000>\n"),
)
_NOTICE = '<div class="opt-out"><p>{{ opt_out_notice }}</p></div>\n'


def _page(body: str, notice: str = _NOTICE) -> str:
    return f'<!doctype html>\n<html lang="en">\n<body>\n{notice}{body}\n</body>\n</html>\n'


_NUMBERLESS = "channel: Fax\nadapter: t30\nkind: fax\nsender: Shop\n"
CODES_OF_FAXES = (
    Code("TPL80", "HTML that a fax page does not have", "Paper runs no scripts, plays no films and has no fields to type in.", _PATH, _page("<form>Your name</form>"), "Take it out.", beside=_BOTH),
    Code("TPL81", "A fax page that would fetch something", "Pages are drawn without network and files, the same on every machine.", _PATH, _page('<img src="https://shop.example/logo.png" alt="">'), "Put the picture into the folder images/ of the template.", beside=_BOTH),
    Code("TPL82", "A picture of a fax that cannot be used", "It is not in the folder images/ of the template, is no PNG, GIF or JPEG, or is too large.", _PATH, _page('<img src="images/none.png" alt="">'), "Put the file there; 1,000,000 bytes and 4,000 a side are the most.", beside=_BOTH),
    Code("TPL83", "Wider than a fax page", "What reaches beyond the right edge would be cut off.", _PATH, _page('<div style="width: 900px; border: 1px solid">Spring</div>'), "Make it narrower: the content has 723 px.", beside=_BOTH),
    Code("TPL84", "Text that is too small for a fax", "At 204 by 98 points to the inch small text breaks up.", _PATH, _page('<p style="font-size: 8pt">Conditions</p>'), "Use 11 pt or more.", "warning", beside=_BOTH),
    Code("TPL85", "No opt-out notice on the first page", "The law asks for it in every marketing fax: how to get no more, by phone and by fax, at any hour.", _PATH, _page("<p>Spring</p>", ""), "Add the block that is shown near the top of the page.", beside=_BOTH),
    Code("TPL86", "A fax channel without a number", "Name and number of the sender stand at the head of every page.", "channels/fax.yaml", _NUMBERLESS, "Write sender: Name <+4681234567>.", beside=(_BOTH[0], (_PATH, _page("<p>Spring</p>")))),
    Code("TPL87", "A sign that no face of a fax page has", "It would come out as an empty box.", _PATH, _page("<p>Spring \N{TULIP}</p>"), "Write it in words.", beside=_BOTH),
    Code("TPL88", "A link that cannot be followed on paper", "Only what is printed can be typed in.", _PATH, _page('<a href="https://shop.example/spring">To the sale</a>'), "Write the address itself between <a> and </a>.", "warning", beside=_BOTH),
    Code("TPL89", "A grey area on a fax", "There is black and white only: it turns solid black, or vanishes.", _PATH, _page('<div style="background: #bbb; padding: 20px">Spring</div>'), "Use a border in place of a fill.", "warning", beside=_BOTH),
)  # fmt: skip
