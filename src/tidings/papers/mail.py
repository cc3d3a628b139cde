"""A paper as a mail: charts as pictures inside it, the PDF beside it. Mail programs show no SVG and fetch nothing for us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP

from tidings.channels.protocol import Attachment, EmailParts
from tidings.papers.charts.ink import WIDTH
from tidings.papers.charts.svg import escaped
from tidings.papers.html import block_html
from tidings.papers.paper import Block, Grid, KeyFigures, Paper, Picture, Points, Words
from tidings.papers.pdf import pdf
from tidings.papers.typesetting import png

_STYLE = """
body{margin:0;background:#ffffff;color:#1b2733;font:15px/1.5 "Segoe UI","Helvetica Neue",Arial,"PingFang TC","Microsoft JhengHei",sans-serif}
.page{max-width:680px;padding:12px}
h1{font-size:26px;line-height:1.2;margin:0 0 10px}
h2{font-size:18px;margin:28px 0 8px;color:#0072b2}
p{margin:0 0 10px}
.dim,.above,caption,.note{color:#5b6673;font-size:13px}
.warning{background:#fdf1e3;border-left:4px solid #c44e00;padding:10px 14px}
ul{margin:0 0 10px;padding-left:20px}
li{margin:0 0 6px}
table{border-collapse:collapse;width:100%;font-size:14px;margin:0 0 12px}
caption{text-align:left;padding-bottom:4px}
th{text-align:left;font-weight:normal;color:#5b6673;border-bottom:2px solid #1b2733;padding:4px 8px 4px 0;vertical-align:bottom}
td{border-bottom:1px solid #e3e7eb;padding:5px 8px 5px 0;vertical-align:top}
.right{text-align:right;white-space:pre}
.short{white-space:pre}
.figure{border-bottom:0;border-left:3px solid #0072b2;padding:2px 10px;vertical-align:top}
.value{font-size:21px;font-weight:bold}
img{width:100%;max-width:680px;height:auto;display:block;border:0}
"""


@dataclass(frozen=True, slots=True)
class Letter:
    """A paper ready to be mailed; `pictures` are PNG by the name that the HTML calls them by."""

    subject: str
    text: str
    html: str
    pictures: Mapping[str, bytes]
    pdf: bytes
    file_name: str

    def message(self, sender: str, recipient: str) -> bytes:
        """Return the whole mail: text, HTML with its pictures, and the PDF attached."""
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"], message["Subject"] = sender, recipient, self.subject
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self.text)
        message.add_alternative(self.html, subtype="html")
        page = next(part for part in message.iter_parts() if part.get_content_subtype() == "html")
        for name, content in self.pictures.items():
            page.add_related(
                content, "image", "png", cid=f"<{name}@papers>", filename=f"{name}.png", disposition="inline"
            )
        message.add_attachment(self.pdf, "application", "pdf", filename=self.file_name)
        return message.as_bytes()

    def parts(self, sender: str) -> EmailParts:
        """Return the same mail as fields, for providers that build it themselves."""
        pictures = [
            Attachment(f"{name}.png", "image/png", content, f"{name}@papers")
            for name, content in self.pictures.items()
        ]
        return EmailParts(
            sender,
            self.subject,
            self.text,
            self.html,
            headers=(("Auto-Submitted", "auto-generated"),),
            attachments=(*pictures, Attachment(self.file_name, "application/pdf", self.pdf)),
        )


def letter(paper: Paper, subject: str, file_name: str) -> Letter:
    """Return a paper as a mail. Raises TidingsError where the typesetter fails."""
    pictures = {one.name: png(one.svg, width=WIDTH, locale=paper.locale) for one in paper.pictures()}
    return Letter(subject, text_of(paper), html_of(paper), pictures, pdf(paper), file_name)


def html_of(paper: Paper) -> str:
    """Return the HTML of a mail with its styles in every tag."""
    import css_inline

    facts = "".join(f'<p class="dim">{escaped(label)}: {escaped(words)}</p>' for label, words in paper.facts)
    body = "".join(
        (f"<h2>{escaped(section.title)}</h2>" if section.title else "")
        + "".join(_block(block) for block in section.blocks)
        for section in paper.sections
    )
    page = (
        f'<!doctype html><html lang="{escaped(paper.locale)}"><head><meta charset="utf-8">'
        f"<title>{escaped(paper.title)}</title><style>{_STYLE}</style></head><body>"
        f'<div class="page"><p class="above">{escaped(paper.above)}</p><h1>{escaped(paper.title)}</h1>'
        f'{facts}{body}<p class="note">{escaped(paper.foot)}</p></div></body></html>'
    )
    return css_inline.inline(page, load_remote_stylesheets=False)


def _block(block: Block) -> str:
    match block:
        case Picture(name, _, alt, caption):
            below = f'<p class="note">{escaped(caption)}</p>' if caption else ""
            return f'<p><img src="cid:{escaped(name)}@papers" width="680" alt="{escaped(alt)}"></p>{below}'
        case KeyFigures(figures):
            cells = "".join(
                f'<td class="figure"><span class="value">{escaped(one.value)}</span><br>{escaped(one.label)}'
                f'<br><span class="note">{escaped(one.note)}</span></td>'
                for one in figures
            )
            return f"<table><tr>{cells}</tr></table>"
        case _:
            return block_html(block)


def spoken(svg: str) -> str:
    """Return what a chart says in words: its own description."""
    from html import unescape

    return unescape(svg.partition("<desc>")[2].partition("</desc>")[0])


def text_of(paper: Paper) -> str:
    """Return the paper as plain text; charts are told in words."""
    lines = [paper.title, *(f"{label}: {words}" for label, words in paper.facts)]
    for section in paper.sections:
        lines += ["", section.title.upper()] if section.title else [""]
        for block in section.blocks:
            lines += _lines(block)
    return "\n".join([*lines, "", paper.foot, ""])


def _lines(block: Block) -> list[str]:
    match block:
        case Words(text, _):
            return [text]
        case Points(items):
            return [f"- {item}" for item in items]
        case Picture(_, svg, _, caption):
            return [spoken(svg), *([caption] if caption else [])]
        case KeyFigures(figures):
            return [f"{one.value} {one.label}" + (f" ({one.note})" if one.note else "") for one in figures]
        case Grid(head, rows, _, caption):
            shown = [", ".join(f"{name}: {cell}" if name else cell for name, cell in zip(head, row, strict=True)) for row in rows]  # fmt: skip
            return [*([caption] if caption else []), *shown]
