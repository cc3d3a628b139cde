"""What a test does when the machine lacks a component: skip with the reason, or fail where everything is required."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip the test with the reason; under TIDINGS_REQUIRE_ALL=1 fail it, so that no claim passes by being skipped."""
    if os.environ.get("TIDINGS_REQUIRE_ALL") == "1":
        pytest.fail(f"missing, and TIDINGS_REQUIRE_ALL=1 asks for everything: {reason}", pytrace=False)
    pytest.skip(reason)
