"""A night with faults on the product's own graph: Dagster's daemon, three small recipes, five
faults; what the morning finds.

The trainer and the daemon are killed, the disk fills up, an artifact is corrupted, the judge does
not answer. Needs a mount namespace (any user of a kernel that allows user namespaces, or root).
Some ten minutes: every step is a process of its own here, as at night.

    python benchmarks/night.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="sentinel-night-") as folder:
        command = [
            sys.executable,
            "-m",
            "sentinel_pipeline_tests.e2e.night",
            folder,
            "sentinel_pipeline.definitions",
        ]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=3600)
    if done.returncode:
        return done.returncode
    found = json.loads(done.stdout)
    print(found["digest"])
    for fault, words in found["injected"].items():
        print(f"{fault:24}{'named' if words in found['digest'] else 'NOT NAMED'}")
    for recipe, status in found["statuses"].items():
        print(
            f"{recipe:24}{status}, {len(found['made'][recipe])} artifacts, verdicts {found['verdicts'][recipe]}"
        )
    print(f"{'artifacts lost':24}{len(found['lost'])}")
    print(f"{'sentinel verify':24}{found['verify']}")
    print(f"{'seconds':24}{found['seconds']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
