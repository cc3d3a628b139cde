"""Charts looked at as what they are: well-formed, named for who cannot see them, within their frame."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from tidings.papers.charts.ink import WIDTH, width_of

SVG = "{http://www.w3.org/2000/svg}"


def drawn(svg: str) -> ET.Element:
    """Return the picture, which must be well-formed, name itself and keep inside its frame."""
    root = ET.fromstring(svg)
    assert root.find(f"{SVG}title").text is not None
    assert root.find(f"{SVG}desc").text
    height = float(root.get("viewBox").split()[3])
    assert "nan" not in re.sub(r">[^<]*<", "><", svg).lower()
    assert "inf" not in re.sub(r">[^<]*<", "><", svg).lower()
    for one in root.iter():
        for key, most in (
            ("x", WIDTH),
            ("x1", WIDTH),
            ("x2", WIDTH),
            ("cx", WIDTH),
            ("y", height),
            ("cy", height),
        ):
            if one.get(key) is not None:
                assert -0.05 <= float(one.get(key)) <= most + 0.05, (one.tag, one.attrib)
        if one.tag == f"{SVG}text":
            size, x = float(one.get("font-size")), float(one.get("x"))
            wide = width_of(one.text or "", size)
            assert one.get("text-anchor") != "end" or x - wide > -10, one.text
    return root


def texts(root: ET.Element) -> list[str]:
    return [one.text or "" for one in root.iter(f"{SVG}text")]
