"""The matcher of banned calls finds them under every name, and leaves alone what only looks like them."""

from __future__ import annotations

import pytest

from house.banned_calls import banned


@pytest.mark.parametrize(
    "source",
    [
        "import datetime as dt\ndt.datetime.now()",
        "import datetime as dt\ndt.date.today()",
        "from datetime import datetime as D\nD.now()",
        "from datetime import datetime\nfield(default_factory=datetime.now)",
        "from datetime import datetime\ngetattr(datetime, 'now')()",
        "def f():\n    from datetime import date as d\n    return d.today()",
        "import time\ntime.time()",
        "import time as t\nt.time_ns()",
        "from time import time",
        "from time import time as seconds",
        "import sqlalchemy as sa\nsa.func.now()",
        "from sqlalchemy import func\nfunc.current_timestamp()",
        "from sqlalchemy import func as f\nf.now()",
        "import sqlalchemy as sa\nsa.text('SELECT current_timestamp')",
    ],
)
def test_asking_for_the_time_is_found_and_only_the_clock_may(source: str) -> None:
    assert banned(source)
    assert banned(source, may_ask_the_time=True) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "import joblib.externals",
        "__import__('pickle')",
        "import importlib\nimportlib.import_module('pickle')",
        "from importlib import import_module as load\nload('marshal')",
        "import importlib\nimportlib.import_module(name='dill')",
        "import sqlalchemy as sa\nsa.Column('x', sa.PickleType)",
        "from sqlalchemy import PickleType as P\nx = P()",
        "numpy.load(path, allow_pickle=True)",
    ],
)
def test_pickling_is_found_and_the_clock_may_not_either(source: str) -> None:
    assert banned(source)
    assert banned(source, may_ask_the_time=True)


@pytest.mark.parametrize(
    "source",
    [
        "clock.now()",
        "store.clock.now()",
        "from datetime import date, datetime\ndatetime(2027, 3, 2)\ndate.fromisoformat(text)",
        "import time\ntime.monotonic()\ntime.sleep(1)",
        "from time import perf_counter",
        "import sqlalchemy as sa\nsa.func.count()",
        "import importlib\nimportlib.import_module(name)",
        "numpy.load(path, allow_pickle=False)",
        "from tidings import pickles",
    ],
)
def test_what_only_looks_like_it_is_left_alone(source: str) -> None:
    assert banned(source) == []
