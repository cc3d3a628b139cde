"""Run every benchmark, one after another; each prints its ratios to a baseline of the same run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

here = Path(__file__).parent
failed = []
for script in sorted(here.glob("bench_*.py")):
    print(f"\n== {script.stem.removeprefix('bench_')}", flush=True)
    if subprocess.run([sys.executable, str(script), *sys.argv[1:]], check=False).returncode:
        failed.append(script.stem)
if failed:
    sys.exit(f"failed: {', '.join(failed)}")
