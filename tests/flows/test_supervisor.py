"""The supervisor: children live, come back, and end with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tidings.clock import SystemClock
from tidings.flows.supervisor import Child, Supervisor

NOTE = "import os,sys,time,pathlib; pathlib.Path(sys.argv[1]).joinpath(str(os.getpid())).touch(); "
SLEEPER = NOTE + "time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + NOTE + "time.sleep(60)"
HELD = (
    "import sys; from tidings.flows.lifeline import hold; hold(int(sys.argv[2])); " + NOTE + "time.sleep(60)"
)


def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


def pids(folder) -> list[int]:
    return [int(path.name) for path in folder.iterdir()]


def child(code, folder, name="web"):
    return Child(name, (sys.executable, "-c", code, str(folder), "{lifeline}"))


class Running:
    def __init__(self, *children):
        self.said, self.stop = [], threading.Event()
        self.supervisor = Supervisor(children, clock=SystemClock(), say=self.said.append)
        self.thread = threading.Thread(target=self.supervisor.run, args=(self.stop,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(10)
        assert not self.thread.is_alive()


def test_a_killed_child_comes_back_and_one_line_says_so(tmp_path) -> None:
    with Running(child(SLEEPER, tmp_path)) as running:
        until(lambda: len(pids(tmp_path)) == 1)
        os.kill(pids(tmp_path)[0], signal.SIGKILL)
        until(lambda: len(pids(tmp_path)) == 2)
    assert running.said == ["the web ended (killed by SIGKILL); it is started again in 0.25 s"]
    assert not any(alive(pid) for pid in pids(tmp_path))


def test_a_child_that_keeps_dying_is_started_ever_less_often(tmp_path) -> None:
    with Running(child(NOTE + "sys.exit(3)", tmp_path)) as running:
        until(lambda: len(running.said) >= 4)
    assert [line.rsplit(" ", 2)[1] for line in running.said[:4]] == ["0.25", "0.5", "1", "2"]
    assert "exit code 3" in running.said[0]


def test_stopping_takes_under_five_seconds_even_with_a_child_that_does_not_listen(tmp_path) -> None:
    def stopped_within(folder: Path) -> float:
        folder.mkdir()
        with Running(child(SLEEPER, folder), child(STUBBORN, folder, "worker")) as running:
            until(lambda: len(pids(folder)) == 2)
            begun = time.monotonic()
            running.stop.set()
            running.thread.join(10)
            seconds = time.monotonic() - begun
        assert not any(alive(pid) for pid in pids(folder))
        return seconds

    # A machine that is busy with other things gets more than one chance.
    assert any(stopped_within(tmp_path / str(turn)) < 5.0 for turn in range(3))


def test_no_child_survives_a_killed_supervisor(tmp_path) -> None:
    (tmp_path / "pids").mkdir()
    code = (
        "import sys, threading; from tidings.clock import SystemClock; "
        "from tidings.flows.supervisor import Child, Supervisor; "
        f"child = Child('web', (sys.executable, '-c', {HELD!r}, {str(tmp_path / 'pids')!r}, '{{lifeline}}')); "
        "Supervisor([child, child], clock=SystemClock(), say=print).run(threading.Event())"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: len(pids(tmp_path / "pids")) == 2)
    children = pids(tmp_path / "pids")
    assert all(alive(pid) for pid in children)
    supervisor.kill()
    supervisor.wait()
    until(lambda: not any(alive(pid) for pid in children), 8)
