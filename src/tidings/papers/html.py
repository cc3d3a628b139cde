"""A paper as one HTML file: pictures inside, nothing fetched from anywhere, fit for a screen, a phone and a printer."""

from __future__ import annotations

from tidings.papers.charts.svg import escaped
from tidings.papers.paper import Block, Grid, KeyFigures, Paper, Picture, Points, Section, Words

_STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#f4f6f8;color:#1b2733;font:15px/1.5 "Noto Sans","Segoe UI","Helvetica Neue","Noto Sans TC",
"Noto Sans SC","PingFang TC","PingFang SC","Microsoft JhengHei","Microsoft YaHei",sans-serif}
main{max-width:780px;margin:24px auto;background:#fff;padding:40px 50px 30px;border-radius:6px}
h1{font-size:30px;line-height:1.2;margin:2px 0 14px}
h2{font-size:18px;margin:34px 0 10px;color:#0072b2}
p{margin:0 0 10px}
.dim,.above,caption,figcaption,footer,.note{color:#5b6673;font-size:13px}
.warning{background:#fdf1e3;border-left:4px solid #c44e00;padding:10px 14px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 18px;margin:0 0 8px}
dt{color:#5b6673}dd{margin:0}
ul{margin:0 0 10px;padding-left:20px}li{margin:0 0 7px}
figure{margin:14px 0 10px;break-inside:avoid}
svg{width:100%;height:auto;display:block}
.figures{display:flex;flex-wrap:wrap;gap:14px;margin:18px 0 20px}
.figures div{flex:1 1 150px;border-left:3px solid #0072b2;padding:2px 0 2px 12px}
.figures strong{display:block;font-size:21px;line-height:1.25}
.scroll{overflow-x:auto;margin:8px 0 12px}
table{border-collapse:collapse;width:100%;font-size:14px}
caption{text-align:left;padding-bottom:4px}
th{text-align:left;font-weight:normal;color:#5b6673;border-bottom:1.5px solid #1b2733;padding:4px 10px 4px 0;vertical-align:bottom}
td{border-bottom:1px solid #e3e7eb;padding:5px 10px 5px 0;vertical-align:top;white-space:pre-line}
.right{text-align:right;font-variant-numeric:tabular-nums;white-space:pre}
.short{white-space:pre}.many{font-size:12.5px}.many td,.many th{padding-right:8px}
.wide{overflow-wrap:anywhere;min-width:8em}
th:last-child,td:last-child{padding-right:0}
footer{border-top:1px solid #d9dee3;margin-top:34px;padding-top:8px}
@media(max-width:640px){main{margin:0;padding:20px 16px;border-radius:0}}
@media print{body{background:#fff}main{margin:0;max-width:none;padding:0}h2{break-after:avoid}tr{break-inside:avoid}}
"""


def html(paper: Paper) -> str:
    """Return the whole file. It needs no script and no network, and says so to the browser."""
    facts = "".join(f"<dt>{escaped(label)}</dt><dd>{escaped(words)}</dd>" for label, words in paper.facts)
    return (
        f'<!doctype html>\n<html lang="{escaped(paper.locale)}">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n'
        f"<title>{escaped(paper.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<p class="above">{escaped(paper.above)}</p>\n<h1>{escaped(paper.title)}</h1>\n'
        + (f"<dl>{facts}</dl>\n" if facts else "")
        + "\n".join(_section(section) for section in paper.sections)
        + f"\n<footer>{escaped(paper.foot)}</footer>\n</main>\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    head = f"<h2>{escaped(section.title)}</h2>\n" if section.title else ""
    return "<section>\n" + head + "\n".join(block_html(block) for block in section.blocks) + "\n</section>"


def block_html(block: Block) -> str:
    """Return one block as HTML."""
    match block:
        case Words(text, tone):
            kind = "" if tone == "plain" else f' class="{tone}"'
            role = ' role="note"' if tone == "warning" else ""
            return f"<p{kind}{role}>{escaped(text)}</p>"
        case Points(items):
            return "<ul>" + "".join(f"<li>{escaped(item)}</li>" for item in items) + "</ul>"
        case Picture(_, svg, _, caption):
            below = f"<figcaption>{escaped(caption)}</figcaption>" if caption else ""
            return f"<figure>{svg}{below}</figure>"
        case Grid():
            return _grid(block)
        case KeyFigures(figures):
            cells = "".join(
                f"<div><strong>{escaped(one.value)}</strong>{escaped(one.label)}"
                + (f'<br><span class="note">{escaped(one.note)}</span>' if one.note else "")
                + "</div>"
                for one in figures
            )
            return f'<div class="figures">{cells}</div>'


def _grid(grid: Grid) -> str:
    def cells(row: tuple[str, ...], tag: str) -> str:
        return "".join(
            f"<{tag}{_flush(grid, place)}>{escaped(cell)}</{tag}>" for place, cell in enumerate(row)
        )

    caption = f"<caption>{escaped(grid.caption)}</caption>" if grid.caption else ""
    rows = "\n".join(f"<tr>{cells(row, 'td')}</tr>" for row in grid.rows)
    # Seven columns and more, such as goals have, fit the page in smaller letters alone.
    many = ' class="many"' if len(grid.head) > 6 else ""
    return (
        f'<div class="scroll"><table{many}>{caption}<thead><tr>{cells(grid.head, "th")}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _flush(grid: Grid, place: int) -> str:
    if place in grid.right:
        return ' class="right"'
    return ' class="wide"' if place in grid.wide() else ' class="short"'
