"""One hit that shows nothing, to be changed into what a rule looks at."""

from __future__ import annotations

from support.tracking import BROWSER
from tidings.responses.classify import Hit, signals_alone, verdict
from tidings.responses.networks import bundled

SECOND = 1_000_000
HIT = Hit(
    id=1,
    kind="click",
    method="GET",
    message_id=1,
    customer_id=1,
    url="https://x/1",
    at=1_000 * SECOND,
    network="203.0.113.0/24",
    user_agent=BROWSER["user-agent"],
    prefetch=False,
    accepted_at=0,
)

MICROSOFT, BARRACUDA, AMAZON, APPLE, GOOGLE = (
    "40.94.1.0/24", "64.235.150.0/24", "3.8.1.0/24", "172.225.3.0/24", "66.249.84.0/24",
)  # fmt: skip


def judge_alone(hit):
    return verdict(hit.kind, signals_alone(hit, bundled()))
