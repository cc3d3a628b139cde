"""The adapter written out in docs/how-to/write-a-channel.md works, and passes the kit that the page recommends."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.command_line import new_shop
from support.smtp_servers import free_port
from tidings.channels.conformance import CHECKS, Behaviour, checks
from tidings.channels.protocol import Adapter, Kind
from tidings.definitions.kinds.channel import Channel

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "write-a-channel.md").read_text()
CHANNEL = Channel("relay", "Relay", "channels/relay.yaml", "relay", sender="Shop <shop@example.com>")
ANSWERS = {
    Behaviour.ACCEPTS: 202,
    Behaviour.REJECTS_RECIPIENT: 404,
    Behaviour.REJECTS_CONTENT: 413,
    Behaviour.REJECTS_CONFIG: 401,
    Behaviour.THROTTLES: 429,
    Behaviour.FAILS_FOR_NOW: 503,
}


def the_adapter() -> Any:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 1
    names: dict[str, Any] = {}
    exec(compile(blocks[0], "write-a-channel.md", "exec"), names)
    return names["RelayAdapter"]


class RelayStage:
    """An HTTP server on loopback that plays the relay."""

    behaviours = frozenset({*ANSWERS, Behaviour.SILENT_AFTER_BODY, Behaviour.CUTS_AFTER_BODY, Behaviour.DOWN})

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.behaviour = Behaviour.ACCEPTS
        self.silence = threading.Event()
        stage = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if stage.behaviour == Behaviour.SILENT_AFTER_BODY:
                    stage.silence.wait(10)
                if stage.behaviour not in ANSWERS:
                    self.close_connection = True
                    return
                if stage.behaviour == Behaviour.ACCEPTS:
                    stage.taken.append(body)
                self.send_response(ANSWERS[stage.behaviour])
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"R1")

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def adapter(self, behaviour: Behaviour) -> Adapter:
        self.behaviour = behaviour
        self.taken.clear()
        port = free_port() if behaviour == Behaviour.DOWN else self.server.server_address[1]
        adapter: Adapter = the_adapter()(CHANNEL, {"host": "127.0.0.1", "port": port, "timeout": 0.5})
        return adapter

    def received(self) -> list[bytes]:
        return self.taken


@pytest.fixture
def stage() -> Iterator[RelayStage]:
    made = RelayStage()
    yield made
    made.silence.set()
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize("name", checks(RelayStage.behaviours))
def test_the_example_conforms(name: str, stage: RelayStage) -> None:
    CHECKS[name][1](stage)


def test_the_page_names_every_outcome() -> None:
    assert all(f"`{kind}`" in PAGE for kind in Kind)


def test_the_package_of_the_page_is_built_found_and_sends_a_campaign(
    stage: RelayStage, tmp_path: Path
) -> None:
    """As the page says: module and pyproject in a folder, a wheel, the entry point, a channel, a run."""
    package = tmp_path / "relay"
    package.mkdir()
    module, project = (re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[0] for kind in ("python", "toml"))
    (package / "our_relay.py").write_text(module)
    (package / "pyproject.toml").write_text(project)
    wheels, site = tmp_path / "wheels", tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "build", "-w", "-n", "-o", wheels, package], check=True, capture_output=True
    )
    subprocess.run([*pip, "install", "--no-deps", "--target", site, *wheels.glob("*.whl")], check=True)

    stage.behaviour = Behaviour.ACCEPTS
    shop = new_shop(tmp_path / "shop").apart
    shop.variables = {"PYTHONPATH": str(site), "RELAY_TOKEN": "t"}
    binding = re.findall(r"```yaml\n# channels/relay.yaml\n(.*?)```", PAGE, re.DOTALL)[0]
    host, port = stage.server.server_address[:2]
    binding = binding.replace("{host: relay.nordicgarden.example}", f"{{host: {host!s}, port: {port}}}")
    (shop.root / "channels" / "relay.yaml").write_text(binding)
    like = (shop.root / "campaigns" / "spring_winback.yaml").read_text()
    (shop.root / "campaigns" / "by_relay.yaml").write_text(re.sub(r"(?m)^via:.*$", "via: relay", like))
    shop.change("config/workspace.yaml", "outbox: true ", "outbox: false ")
    shop.ok("check")
    shop.filled()
    shop.ok("run", "by_relay", "--yes")
    assert len(stage.taken) > 50
    assert all(b"List-Unsubscribe-Post" in message for message in stage.taken)
    shop.ok("verify")
    shop.variables.pop("PYTHONPATH")
    gone = shop.run("check")
    assert gone.code == 1 and 'there is no adapter "relay"' in gone.out + gone.err
