"""What a User-Agent says of itself: a robot, the picture proxy of a mail program, or nothing of the kind."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

# What Apple Mail sends, and nobody else: this and not a sign more.
MAIL_PRIVACY = "Mozilla/5.0"

_IMAGE_PROXY = re.compile(r"GoogleImageProxy|ggpht\.com|YahooMailProxy|OutlookImageProxy", re.IGNORECASE)
_ROBOT = re.compile(
    # Names that robots give themselves; `cubot` is a maker of telephones.
    r"(?<!cu)bot\b|(?<!cu)bot[/_-]|crawl|spider|slurp|scanner|headless|phantomjs|selenium|puppeteer|playwright"
    r"|^(?:curl|wget|python|go-http|java/|okhttp|libwww|lwp|httpx|axios|node|ruby|php|perl|apache-httpclient)"
    r"|facebookexternalhit|skypeuripreview|slackbot|barracuda|proofpoint|mimecast|symantec|fireeye|trendmicro"
    r"|safelinks|urlscan|monitoring|uptime",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def kind_of_agent(agent: str) -> Literal["image_proxy", "robot"] | None:
    """Return what a User-Agent names itself, None where it looks like a program that people use."""
    if _IMAGE_PROXY.search(agent):
        return "image_proxy"
    return "robot" if _ROBOT.search(agent) else None
