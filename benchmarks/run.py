"""Run every benchmark, one after another; each prints its ratios to a baseline of the same run.

One that misses a target is measured once more, for some targets are seconds and a shared machine is slow for minutes at a
time: it failed when it missed twice. Both measurements are printed. Names, such as `delivery sms`, choose some.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

here = Path(__file__).parent
failed = []
names = {one for one in sys.argv[1:] if not one.startswith("-")}
options = [one for one in sys.argv[1:] if one.startswith("-")]
scripts = {one.stem.removeprefix("bench_"): one for one in sorted(here.glob("bench_*.py"))}
if unknown := names - set(scripts):
    sys.exit(f"no benchmark {', '.join(sorted(unknown))}: there is {', '.join(scripts)}")
for name, script in scripts.items():
    if names and name not in names:
        continue
    for again in ("", ", once more: a target was not reached"):
        print(f"\n== {name}{again}", flush=True)
        if not subprocess.run([sys.executable, str(script), *options], check=False).returncode:
            break
    else:
        failed.append(script.stem)
if failed:
    sys.exit(f"failed: {', '.join(failed)}")
