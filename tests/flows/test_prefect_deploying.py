"""What `tidings deploy` writes and asks for, and the wrapped work as plain Python: no server needed."""

from __future__ import annotations

import ast
import importlib
import json
import socket
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from support.command_line import new_shop
from tidings.clock import SystemClock
from tidings.config.settings import load_settings
from tidings.flows import prefect_file, prefect_server
from tidings.flows.prefect_file import Schedules, content, deployment_names
from tidings.flows.shares import OpenRun
from tidings.flows.ticking import send_in_turns

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "tidings").rglob("*.py"))


@pytest.fixture
def shop(tmp_path):
    """A workspace that Prefect wakes, and the command in it."""
    made = new_shop(tmp_path / "shop").apart
    made.change("config/workspace.yaml", "clock: embedded", "clock: prefect")
    return made


def settings_of(shop):
    return load_settings(shop.root)


def imports_at_top(path: Path) -> set[str]:
    """Return the packages that a module imports when it is imported itself."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {one.name.split(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_one_module_alone_imports_prefect_and_the_others_are_plain_functions() -> None:
    assert [path.name for path in SOURCES if "prefect" in imports_at_top(path)] == ["prefect_wrapping.py"]
    users = [
        path.name
        for path in SOURCES
        if "tidings.flows.prefect_wrapping" in path.read_text() and path.name != "prefect_wrapping.py"
    ]
    # It is named, as text, where the entrypoints are.
    assert users == ["prefect_file.py"]


def test_prefect_yaml_has_module_entrypoints_schedules_and_a_pool_of_processes(shop) -> None:
    whole = yaml.safe_load(content(settings_of(shop), Schedules(tick=30, nightly="03:15"), version="3.8.8"))
    by_flow = {one["entrypoint"]: one for one in whole["deployments"]}
    assert list(by_flow) == [
        "tidings.flows.prefect_wrapping.tick",
        "tidings.flows.prefect_wrapping.reconcile",
        "flows/nightly.py:nightly",
    ]
    assert by_flow["tidings.flows.prefect_wrapping.tick"]["schedules"] == [{"interval": 30}]
    assert by_flow["tidings.flows.prefect_wrapping.reconcile"]["schedules"] == [{"interval": 120}]
    assert by_flow["flows/nightly.py:nightly"]["schedules"] == [
        {"cron": "15 3 * * *", "timezone": "Europe/Stockholm"}
    ]
    assert {one["name"] for one in whole["deployments"]} == {"nordic-garden-development"}
    for one in whole["deployments"]:
        assert one["work_pool"]["name"] == "tidings"
        assert one["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
        assert one["parameters"] == {"environment": "development"}
    assert whole["pull"] == [
        {"prefect.deployments.steps.set_working_directory": {"directory": str(shop.root)}}
    ]
    (shop.root / "flows" / "nightly.py").unlink()
    assert set(deployment_names(settings_of(shop))) == {"tick", "reconcile"}


def test_every_entrypoint_is_a_flow_that_takes_the_parameters_it_is_given(shop) -> None:
    whole = yaml.safe_load(content(settings_of(shop), Schedules(), version="3.8.8"))
    for one in whole["deployments"]:
        place, _, name = one["entrypoint"].rpartition(":" if ":" in one["entrypoint"] else ".")
        if place.endswith(".py"):
            spec = importlib.util.spec_from_file_location("nightly_of_the_shop", shop.root / place)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(place)
        flow = getattr(module, name)
        assert set(one["parameters"]) <= set(flow.parameters.properties)


def test_the_file_is_written_anew_until_somebody_changes_it(shop) -> None:
    settings = settings_of(shop)
    path = prefect_file.write(settings, content(settings, Schedules(), version="3.8.8"))
    first = path.read_text()
    prefect_file.write(settings, content(settings, Schedules(tick=20), version="3.8.8"))
    assert path.read_text() != first
    path.write_text(path.read_text().replace("interval: 20", "interval: 25"))
    with pytest.raises(Exception, match=r"prefect.yaml was changed by hand") as refused:
        prefect_file.write(settings, first)
    assert "--as-is" in refused.value.what_to_do
    prefect_file.write(settings, first, force=True)
    assert path.read_text() == first


def test_a_dry_run_says_what_would_be_woken_when_asks_no_server_and_writes_nothing(shop) -> None:
    said = shop.run("deploy", "--dry-run", "--reconcile", "90", variables={"PREFECT_API_URL": "nowhere"})
    assert said.code == 0, said
    assert "tick       tidings-tick/nordic-garden-development, every minute\n" in said.out
    assert "reconcile  tidings-reconcile/nordic-garden-development, every 90 seconds\n" in said.out
    assert (
        "nightly    nightly/nordic-garden-development, every day at 02:30 in Europe/Stockholm\n" in said.out
    )
    assert "entrypoint: tidings.flows.prefect_wrapping.tick" in said.out
    assert not (shop.root / "prefect.yaml").exists()
    data = shop.run("deploy", "--dry-run", "--json").data
    assert data["deployments"]["nightly"] == "nightly/nordic-garden-development"
    assert data["done"] is False


def test_without_a_server_deploy_ends_with_one_sentence_and_exit_code_2(shop) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{probe.getsockname()[1]}/api"
        for variables, words in (
            ({"PREFECT_API_URL": ""}, "needs a Prefect server, and the variable PREFECT_API_URL is not set"),
            ({"PREFECT_API_URL": dead}, f"no Prefect server answers at {dead} (connection refused)"),
            ({"PREFECT_API_URL": "prefect.example"}, "(it is no web address)"),
        ):
            said = shop.run("deploy", variables=variables)
            assert said.code == 2, said
            assert words in " ".join(said.err.split()), said.err
            assert said.err.startswith("error: ")
    assert not (shop.root / "prefect.yaml").exists()


def test_deploy_asks_for_the_clock_in_the_workspace_and_refuses_a_store_with_another(shop) -> None:
    shop.change("config/workspace.yaml", "clock: prefect", "clock: embedded")
    said = shop.run("deploy")
    assert said.code == 2
    assert "is woken by the clock inside `tidings serve`" in said.err
    assert "write `clock: prefect`" in said.err


class _Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()

    def log_message(self, *_):
        return


@pytest.fixture
def answering():
    """Something that answers as the health of a Prefect server does; its address."""
    server = HTTPServer(("127.0.0.1", 0), _Health)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_two_clocks_on_one_store_are_one_clear_sentence_for_every_command_that_would_wake_it(
    shop, answering
) -> None:
    from support.stores import START
    from tidings.cli.session import target_of
    from tidings.clock import FixedClock
    from tidings.flows.clock_lock import ClockLock
    from tidings.store.upgrading import migrate

    clock = FixedClock(START)
    target = target_of(settings_of(shop), clock)
    migrate(target)
    with target.unchecked() as store:
        lock = ClockLock(store, clock, kind="embedded")
        assert lock.take() is None
        url = {"PREFECT_API_URL": f"{answering}/api"}
        for arguments in (("deploy",), ("serve", "--port", "0")):
            said = shop.run(*arguments, variables=url)
            assert said.code == 1, said
            words = " ".join(said.err.split())
            assert "is woken by the embedded clock, and config/workspace.yaml says `clock: prefect`" in words
            assert "tidings migrate --clock" in words
        # While the other one is at work it cannot be switched.
        said = shop.run("migrate", "--clock")
        assert said.code == 2
        assert "is at work (process" in said.err
        lock.release()
    assert "is woken by the prefect clock from now on" in shop.ok("migrate", "--clock").out
    assert "nothing to switch" in shop.ok("migrate", "--clock").out


def test_a_server_is_reachable_when_its_health_answers(answering) -> None:
    assert prefect_server.server_url({"PREFECT_API_URL": f"{answering}/api/"}) == f"{answering}/api"
    assert prefect_server.why_unreachable(f"{answering}/other") == "it answers 404"


def test_serve_says_that_prefect_owns_the_clock_and_whether_it_answers(shop, answering) -> None:
    settings = settings_of(shop)
    first, second = prefect_server.clock_lines(settings, {})
    assert first.startswith("Prefect owns the clock of this workspace")
    assert second == (
        "WARNING  PREFECT_API_URL is not set here, so nobody can tell whether a Prefect server runs; without one nothing is sent"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{probe.getsockname()[1]}/api"
        _, second = prefect_server.clock_lines(settings, {"PREFECT_API_URL": f"http://me:secret@{dead}"})
        assert second.startswith(f"WARNING  no Prefect server answers at http://{dead} (")
        assert second.endswith("; nothing is sent until one does")
    assert prefect_server.clock_lines(settings, {"PREFECT_API_URL": f"{answering}/api"}) == [first]
    shop.change("config/workspace.yaml", "clock: prefect", "clock: embedded")
    assert prefect_server.clock_lines(settings_of(shop), {}) == []


class _Server:
    """Stands for the API of a Prefect server: what it is asked for, what it knows, what becomes of it."""

    def __init__(self, **runs):
        self.runs, self.asked, self.states = runs, [], {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return

    def read_flow_runs(self, *, flow_filter, flow_run_filter, limit):
        type_ = flow_run_filter.state.type.any_[0].value
        self.asked.append((type_, flow_filter and flow_filter.name.any_, flow_run_filter.tags.all_))
        self.before = flow_run_filter.expected_start_time.before_
        return self.runs.get(type_, [])[:limit]

    def set_flow_run_state(self, name, state, *, force):
        self.states[name] = (state.type.value, force)


def test_the_reconciler_crashes_runs_whose_worker_is_gone_and_drops_late_ticks_but_never_a_night(
    monkeypatch,
) -> None:
    from tidings.flows import prefect_wrapping

    now = SystemClock().now()

    def run(name: str, minutes: int):
        state = SimpleNamespace(timestamp=now - timedelta(minutes=minutes))
        return SimpleNamespace(id=name, state=state)

    server = _Server(PENDING=[run("left", 6), run("just taken", 1)], SCHEDULED=[run("late tick", 9)])
    monkeypatch.setattr(prefect_wrapping, "get_client", lambda **_: server)
    assert prefect_wrapping.let_go.fn() == 2
    assert server.states == {"left": ("CRASHED", True), "late tick": ("CANCELLED", True)}
    ticks = ["tidings-tick", "tidings-reconcile"]
    assert server.asked == [("PENDING", None, ["tidings"]), ("SCHEDULED", ticks, ["tidings"])]
    assert timedelta(minutes=4.9) < SystemClock().now() - server.before < timedelta(minutes=5.5)


def batches(left: dict[int, int], size: int, asked: list[int]):
    def batch(run_id: int):
        asked.append(run_id)
        sent = min(left[run_id], size)
        left[run_id] -= sent
        return {
            "run": run_id, "campaign": f"c{run_id}", "state": "sending", "sent": sent, "accepted": sent,
            "refused": 0, "in_doubt": 0, "pending": left[run_id], "reason": "", "more": sent == size,
        }  # fmt: skip

    return batch


def test_runs_take_turns_a_batch_at_a_time_until_nothing_is_left() -> None:
    left, asked, shown = {1: 5, 2: 2}, [], []
    runs = [OpenRun(1, "c1", 0, 0), OpenRun(2, "c2", 1, 0)]
    sent = send_in_turns(lambda: runs, batches(left, 2, asked), progress=shown.append)
    assert sent.sent == 7
    assert asked[:4] == [1, 2, 1, 2]
    assert left == {1: 0, 2: 0}
    assert shown[-1] > 90
    assert {row["campaign"]: row["sent"] for row in sent.rows()} == {"c1": 5, "c2": 2}
    assert sent.words() == "7 messages sent for 2 runs"


def test_a_run_with_enough_senders_is_left_to_them_and_the_reconciler_takes_only_what_was_left_behind() -> (
    None
):
    left, asked = {1: 2, 2: 2, 3: 2}, []
    runs = [OpenRun(1, "c1", 4, 0), OpenRun(2, "c2", 0, 3), OpenRun(3, "c3", 0, 0)]
    send_in_turns(lambda: runs, batches(left, 5, asked), senders=4)
    assert asked == [2, 3]
    asked.clear()
    send_in_turns(lambda: runs, batches({2: 7}, 5, asked), only_left=True)
    assert asked == [2, 2]


def test_a_run_that_cannot_be_sent_stops_no_other() -> None:
    asked: list[int] = []
    good = batches({2: 4}, 2, asked)

    def batch(run_id: int):
        if run_id == 1:
            raise OSError("its channel is away")
        return good(run_id)

    sent = send_in_turns(lambda: [OpenRun(1, "bad", 0, 0), OpenRun(2, "c2", 0, 0)], batch)
    assert sent.sent == 4
    assert sent.troubles == {"bad": "OSError: its channel is away"}


def test_no_batch_is_begun_when_the_time_is_over() -> None:
    asked: list[int] = []
    send_in_turns(lambda: [OpenRun(1, "c", 0, 0)], batches({1: 5}, 1, asked), seconds=0.0)
    assert asked == []


def test_json_of_a_dry_run_is_all_there_is_on_the_output(shop) -> None:
    assert set(json.loads(shop.run("deploy", "--dry-run", "--json").out)) == {"file", "deployments", "done"}
