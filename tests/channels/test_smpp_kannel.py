"""Our SMPP against a real Kannel gateway: what we cut and encode it puts together and reads, and its people answer us."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from support.kannel import kannel
from support.smpp_centre import adapter, npm_centre
from tidings.channels.protocol import Inbound, Kind, Outgoing

pytestmark = pytest.mark.real

LONG = "Скидка 25% на всё для сада: " + "секатор, лейка, грабли, лопата, рассада. " * 5 + "Ответьте СТОП 🌷"


def _cut(text: str, size: int) -> tuple[str, ...]:
    return tuple(text[start : start + size] for start in range(0, len(text), size))


def test_kannel_reads_what_we_send_and_its_answer_comes_back(tmp_path: Path) -> None:
    with npm_centre() as centre, kannel(centre.port, tmp_path) as gateway:
        centre.until(lambda one: one["event"] == "bound" and one["system_id"] == "kannel")
        gateway.replies["Spring is here. Reply STOP to opt out"] = "STOP"
        sender = adapter(centre.port, timeout=10.0)
        connection = sender.connect()
        texts = {
            "+46701110031": ("Spring is here. Reply STOP to opt out", ()),
            "+46701110032": ("Preis: 25 € [bis 16.3.] {Grüße} ~^|\\", ()),
            "+46701110033": ("【北歐花園】七五折，到 3 月 16 日。回覆 STOP 退訂", ()),
            "+46701110034": (LONG, _cut(LONG, 60)),
            "+46701110035": ("x" * 153 + "y" * 153 + "z", ("x" * 153, "y" * 153, "z")),
        }
        batch = [
            Outgoing(number, "NordicGardn", to, text.encode(), segments=segments)
            for number, (to, (text, segments)) in enumerate(texts.items())
        ]
        assert [one.kind for one in connection.submit_many(batch)] == [Kind.ACCEPTED] * len(batch)
        arrived = {to.lstrip("+ "): text for _, to, text in gateway.wait_for(len(texts))}
        assert arrived == {to.lstrip("+"): text for to, (text, _) in texts.items()}
        end = time.monotonic() + 10
        answers: list[Inbound] = []
        while time.monotonic() < end and not answers:
            answers += [one for one in sender.take_events() if isinstance(one, Inbound)]
            time.sleep(0.05)
        assert [(one.sender.lstrip("+"), one.text) for one in answers] == [("46701110031", "STOP")]
        connection.close()
