"""Where the npm packages of the tests are, and how a program over them is started and stopped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from support.components import missing


def node_package(name: str) -> Path:
    """Return the folder of an npm package, or skip the test (fail where everything is required)."""
    if shutil.which("node") is None:
        missing("node is not installed")
    root = Path(__file__).parents[2]
    folders = [os.environ.get("TIDINGS_NODE_MODULES", ""), str(root / ".venv" / "node" / "node_modules")]
    for folder in folders:
        if folder and (Path(folder) / name).is_dir():
            return Path(folder) / name
    return missing(f"the npm package {name} is not installed: npm install --prefix .venv/node {name}")
