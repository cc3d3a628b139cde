"""Pictures of messages for people to look at: e-mail as a page, SMS in a phone bubble, fax as pages, and a gallery of all."""

from __future__ import annotations

from tidings.templates.gallery.bubble import bubble_html
from tidings.templates.gallery.page import Card, gallery_html
from tidings.templates.gallery.pictures import page_png
from tidings.templates.gallery.samples import sample_values

__all__ = ["Card", "bubble_html", "gallery_html", "page_png", "sample_values"]
