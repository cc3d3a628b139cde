"""`tidings serve` as people run it: real processes, a real socket, and kill -9 at any moment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from support.serving import CLEAN, KEYS, alive, children_of, command, production_of, serving, until
from support.tracking import RING, SALT, rows_of, sent_run, withdrawn
from tidings.errors import TidingsError
from tidings.flows.local import local_tracker
from tidings.flows.serve import open_socket
from tidings.responses.drain import drain
from tidings.responses.spool import spool_folder, waiting_files
from tidings.store.tables import people, sending
from tidings.tokens.api_keys import new_api_key
from tidings.tokens.keyring import KeyRing
from tidings.tokens.links import mint

ROOT = Path(__file__).resolve().parents[2]
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def workspace(tmp_path):
    """The rules and channels of the starter workspace, without campaigns."""
    root = tmp_path / "workspace"
    root.mkdir()
    for name in ("config", "channels"):
        shutil.copytree(ROOT / name, root / name)
    # What names segments and media of imports is not needed here.
    for name in ("attribution.yaml", "goals.yaml", "scores.yaml"):
        (root / "config" / name).unlink()
    shutil.rmtree(root / "config" / "imports", ignore_errors=True)
    return root


def test_everything_answered_with_200_survives_kill_9_of_the_web_child(
    workspace, make_store, tmp_path
) -> None:
    """1,000 unsubscribes from 16 clients while the web child is killed three times; then either database takes them in."""
    stores = [make_store(dialect) for dialect in ("sqlite", "postgresql")]
    messages, same = [sent_run(store, 1_000) for store in stores]
    assert messages == same
    tokens = [(one, mint(RING, "unsubscribe", one)) for one in messages]
    answered: set[int] = set()
    guard, kills = threading.Lock(), []

    def ask(part):
        with httpx.Client(base_url=tracker.address, timeout=20) as web:
            for message, token in part:
                for _ in range(200):
                    try:
                        answer = web.post(f"/u/{token}", data=ONE_CLICK)
                    except httpx.TransportError:
                        time.sleep(0.02)
                        continue
                    assert answer.status_code == 200
                    with guard:
                        answered.add(message)
                    break

    with local_tracker(workspace, variables=KEYS) as tracker:
        threads = [threading.Thread(target=ask, args=(tokens[n::16],)) for n in range(16)]
        [thread.start() for thread in threads]
        for threshold in (100, 400, 700):
            until(lambda threshold=threshold: len(answered) >= threshold, 60)
            (web,) = until(lambda: children_of(tracker.process))
            os.kill(web, signal.SIGKILL)
            kills.append(web)
        [thread.join() for thread in threads]
    assert len(set(kills)) == 3
    assert len(answered) == 1_000
    for store in stores:
        folder = tmp_path / store.dialect
        shutil.copytree(spool_folder(workspace / ".tidings", "development"), folder)
        result = drain(store, folder, salt=SALT)
        assert result.hits >= 1_000
        with store.read() as connection:
            customers = dict(
                connection.execute(sa.select(sending.messages.c.id, sending.messages.c.customer_id)).all()
            )
        assert {customers[one] for one in answered} == withdrawn(store)
        assert len(rows_of(store, people.consents, people.consents.c.state == "withdrawn")) == 1_000
        assert waiting_files(folder) == []


@pytest.fixture
def production(workspace, dialect, stores):
    """Variables of a migrated production store of the workspace on each database, and the store."""
    with production_of(workspace, stores(dialect), dialect) as (variables, store):
        yield variables, store


def test_the_worker_brings_what_came_in_into_the_store(workspace, production) -> None:
    variables, store = production
    (message,) = sent_run(store, 1)
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.runs).values(state="finished"))
    key, entry = new_api_key("shop")
    with serving(workspace, **variables, TIDINGS_API_KEYS=entry) as (process, address, lines):
        with httpx.Client(base_url=address, timeout=60) as web:
            assert web.post(f"/u/{mint(RING, 'unsubscribe', message)}", data=ONE_CLICK).status_code == 200
            sent = web.post(
                "/v1/events",
                headers={"authorization": f"Bearer {key}"},
                json={"event": "order_placed", "customer": "K0", "id": "o1", "amount": 10},
            )
            assert sent.json() == {"accepted": 1}
        until(lambda: withdrawn(store) and rows_of(store, people.events))
        # Both children die at once; both come back, and what comes in meanwhile is not lost.
        for child in until(lambda: len(children_of(process.pid)) == 2 and children_of(process.pid)):
            os.kill(child, signal.SIGKILL)
        with httpx.Client(base_url=address, timeout=20) as web:
            answer = until(lambda: _posted(web, key))
            assert answer.status_code == 202
        until(lambda: len(rows_of(store, people.events)) == 2)
        begun = time.monotonic()
        children = children_of(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        # The supervisor's five seconds are measured in its own tests; here the whole machine is at work.
        assert time.monotonic() - begun < 9
        assert not any(alive(child) for child in children)
    said = "".join(lines)
    assert "production" in said
    assert f"{address}/v1/events for shop" in said
    assert "killed by SIGKILL" in said
    assert "stopped" in said
    assert "Traceback" not in said


def _posted(web, key):
    try:
        return web.post(
            "/v1/events",
            headers={"authorization": f"Bearer {key}"},
            json={"event": "page_viewed", "customer": "K0", "id": "p1"},
        )
    except httpx.TransportError:
        return None


def test_a_second_serve_names_the_first_and_ends(workspace) -> None:
    with serving(workspace) as (process, address, _):
        second = subprocess.run(
            command("--port", "0"),
            cwd=workspace,
            env=CLEAN,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert second.returncode == 1
        assert "already running for this workspace" in second.stderr
        assert f"process {process.pid}, {address}" in second.stderr
        port = address.rsplit(":", 1)[1]
        third = subprocess.run(
            command("--web-only", "--port", port),
            cwd=workspace,
            env=CLEAN,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert third.returncode == 1
        assert f"port {port} of 127.0.0.1 is taken" in third.stderr
        assert "Traceback" not in second.stderr + third.stderr


def test_killing_the_supervisor_leaves_no_process_and_no_lock(workspace) -> None:
    with serving(workspace) as (process, _, _):
        children = until(lambda: len(children_of(process.pid)) == 2 and children_of(process.pid))
        process.kill()
        process.wait()
        until(lambda: not any(alive(child) for child in children), 8)
    with serving(workspace) as (process, address, _):
        assert httpx.get(f"{address}/livez", timeout=60).status_code == 200


def test_ctrl_c_stops_both_without_a_traceback(workspace) -> None:
    with serving(workspace) as (process, address, lines):
        until(lambda: httpx.get(f"{address}/readyz", timeout=20).status_code == 200)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert "Traceback" not in "".join(lines)


def test_production_without_keys_says_what_to_set(workspace, tmp_path) -> None:
    ended = subprocess.run(
        command("--web-only", "--port", "0"),
        cwd=workspace,
        env={**CLEAN, "TIDINGS_ENVIRONMENT": "production", "TIDINGS_STORE": f"sqlite:///{tmp_path}/p.sqlite"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "TIDINGS_KEYS is not set" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_tracker_alone_prints_its_address_and_goes_with_its_parent(workspace) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tidings.flows.local import local_tracker\n"
        "with local_tracker(Path(sys.argv[1])) as tracker:\n"
        "    print(tracker.address, tracker.process, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(workspace)], env=CLEAN, stdout=subprocess.PIPE, text=True
    )
    address, pid = parent.stdout.readline().split()
    assert httpx.get(f"{address}/livez", timeout=60).json() == {"live": True}
    ring = KeyRing.load(workspace / ".tidings", variables={})
    assert httpx.get(f"{address}/u/{mint(ring, 'unsubscribe', 1)}", timeout=60).status_code == 200
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not alive(int(pid)), 8)


def test_a_tracker_that_cannot_start_says_so(workspace, capfd) -> None:
    (workspace / "config" / "workspace.yaml").write_text("workspace: [")
    with pytest.raises(TidingsError, match="did not start"), local_tracker(workspace):
        pass
    assert "config/workspace.yaml" in capfd.readouterr().err


def test_a_local_tracker_listens_on_the_port_that_it_is_given(workspace) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with local_tracker(workspace, port=port) as tracker:
        assert tracker.address == f"http://127.0.0.1:{port}"
        assert httpx.get(f"{tracker.address}/livez", timeout=60).json() == {"live": True}


def test_answers_do_not_wait_for_one_another_on_the_wire(workspace) -> None:
    """Without TCP_NODELAY each answer takes 40 ms, because head and body travel apart."""
    with local_tracker(workspace) as tracker, httpx.Client(base_url=tracker.address, timeout=60) as web:
        web.get("/livez")
        seconds = []
        for _ in range(8):
            begun = time.monotonic()
            for _ in range(10):
                web.get("/nothing")
            seconds.append(time.monotonic() - begun)
        # The quickest ten: a busy machine is slow now and then, the wire would be slow every time.
        assert min(seconds) < 0.3


def test_an_address_that_is_not_ours_is_refused_in_a_sentence() -> None:
    for host, port in (("192.0.2.1", 0), ("no such host", 80), ("127.0.0.1", 70_000)):
        with pytest.raises(TidingsError) as error:
            open_socket(host, port).close()
        assert error.value.what_to_do
    listening = open_socket("127.0.0.1", 0)
    assert listening.proto == socket.IPPROTO_TCP
    listening.close()


def test_a_new_api_key_is_shown_once_with_its_entry() -> None:
    made = subprocess.run(
        command("--new-api-key", "web-shop"), capture_output=True, text=True, check=True, env=CLEAN
    )
    key, entry = [line.strip() for line in made.stdout.splitlines() if line.startswith("  ")]
    from tidings.tokens.api_keys import ApiKeys

    assert ApiKeys.from_text(entry).name_of(key) == "web-shop"


def test_the_lock_file_is_plain_to_read(workspace) -> None:
    with serving(workspace) as (process, address, _):
        lock = workspace / ".tidings" / "serve-development.lock"
        assert json.loads(lock.read_text()) == {"process": process.pid, "address": address}
