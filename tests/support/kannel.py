"""A Kannel gateway on loopback: bearerbox bound to an SMS centre by SMPP, smsbox that hands every message to us by HTTP."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from support.components import missing
from support.smtp_servers import free_port


@dataclass
class Kannel:
    """`taken`: what arrived at the gateway, as (from, to, text); `replies`: text to answer by the text that arrived."""

    taken: list[tuple[str, str, str]] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)

    def wait_for(self, count: int, seconds: float = 20.0) -> list[tuple[str, str, str]]:
        end = time.monotonic() + seconds
        while len(self.taken) < count and time.monotonic() < end:
            time.sleep(0.05)
        assert len(self.taken) >= count, (
            f"{len(self.taken)} of {count} messages arrived at Kannel: {self.taken}"
        )
        return self.taken


CONFIG = """
group = core
admin-port = {admin}
admin-password = test
smsbox-port = {smsbox}
box-allow-ip = 127.0.0.1
sms-combine-concatenated-mo = true
log-file = "{folder}/bearerbox.log"
log-level = 0

group = smsc
smsc = smpp
smsc-id = centre
host = 127.0.0.1
port = {smpp}
transceiver-mode = true
smsc-username = kannel
smsc-password = secret
system-type = ""
enquire-link-interval = 5
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
log-file = "{folder}/smsbox.log"
log-level = 0

group = sms-service
keyword = default
catch-all = true
omit-empty = true
get-url = "http://127.0.0.1:{http}/mo?from=%p&to=%P&text=%b&charset=%C"
"""


@contextmanager
def kannel(smpp_port: int, folder: Path) -> Iterator[Kannel]:
    """Start bearerbox and smsbox against the SMS centre at a port; stop them by pid."""
    programs = {
        name: shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin") for name in ("bearerbox", "smsbox")
    }
    if not all(programs.values()):
        missing("Kannel (bearerbox, smsbox) is not installed")
    gateway = Kannel()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query, keep_blank_values=True, encoding="latin-1")
            charset = query["charset"][0] or "utf-8"
            text = query["text"][0].encode("latin-1").decode(charset)
            gateway.taken.append((query["from"][0].strip(), query["to"][0].strip(), text))
            reply = gateway.replies.get(text, "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = folder / "kannel.conf"
    config.write_text(
        CONFIG.format(
            admin=free_port(),
            smsbox=free_port(),
            sendsms=free_port(),
            smpp=smpp_port,
            http=server.server_port,
            folder=folder,
        )
    )
    started: list[subprocess.Popen[bytes]] = []
    try:
        for name in ("bearerbox", "smsbox"):
            program = programs[name]
            assert program is not None
            started.append(
                subprocess.Popen(
                    [program, str(config)], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            )
            time.sleep(1.0)
        yield gateway
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()
        server.shutdown()
        server.server_close()
