"""A paper as PDF: A4, page numbers, text that can be selected and searched, the fonts inside."""

from __future__ import annotations

from tidings.papers.paper import Paper
from tidings.papers.typesetting import pdf as typeset


def pdf(paper: Paper) -> bytes:
    """Return the file. Raises TidingsError where the typesetter fails."""
    return typeset(paper.as_data(), locale=paper.locale, made_at=paper.made_at)
