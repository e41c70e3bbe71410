"""Made diffs beside the installed ``git apply``: the same files, or both refuse.

Diffs of 34 kinds over small trees, made by git, GNU diff and difflib and then damaged in some of the
kinds, always the same. *On purpose*: git applies a diff that this package refuses by its own rules
(binary patches, links and submodules, a line after a hunk that its header does not count).

    python benchmarks/diffs.py [--diffs 1020] [--json]

Exit code 1 where an outcome is other than git's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sentinel_pipeline.critic.diffs import apply_diff
from sentinel_pipeline_tests.critic.made_diffs import KINDS, git_applied, made_diff, outcome

COLUMNS = ("diffs", "git applies", "same files", "both refuse", "refused on purpose", "git crashed", "other")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--diffs", type=int, default=30 * len(KINDS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    seconds = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.diffs):
            case = made_diff(number, Path(folder) / "made")
            start = time.process_time()
            ours = apply_diff(case.diff, case.files)
            seconds += time.process_time() - start
            git = git_applied(case, Path(folder) / "git")
            table[case.kind]["diffs"] += 1
            table[case.kind]["git applies"] += not isinstance(git, str)
            table[case.kind][outcome(ours, git)] += 1
            if outcome(ours, git) == "other":
                print(f"diff {number}: git {git!r}, here {ours!r}", file=sys.stderr)
    total = sum(table.values(), Counter())
    version = subprocess.run(
        ["git", "--version"], capture_output=True, text=True, check=True
    ).stdout
    if options.json:
        print(json.dumps({"git": version.strip(), "kinds": table, "all": total}))
        return bool(total["other"])
    print(f"| {version.strip()} | " + " | ".join(COLUMNS) + " |")
    print("|---|" + "---:|" * len(COLUMNS))
    for kind, row in [*table.items(), ("all", total)]:
        print(f"| {kind} | " + " | ".join(str(row[column]) for column in COLUMNS) + " |")
    print(f"\n{seconds / options.diffs * 1e6:.0f} µs a diff")
    return bool(total["other"])


if __name__ == "__main__":
    sys.exit(main())
