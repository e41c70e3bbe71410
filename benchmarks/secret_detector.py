"""Secrets: how many of the made-up ones are found, false alarms in code, and speed, on one core.

Recall: made-up keys of a hundred providers by their documented formats, each in code, in a
sentence, in a shell and in JSON, and passwords in fifty places; a row counts once. False alarms: in
texts that only look like secrets, in ``--rows`` answers of the task families and definitions of
installed packages, and in the public benchmarks of a folder. Peers on the same rows, where
installed: Kingfisher's catalogue alone, detect-secrets' defaults. Seconds are CPU seconds.

    python benchmarks/secret_detector.py [--rows 10000] [--rounds 5] [--benchmarks FOLDER] [--table]
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import sys
import sysconfig
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sentinel_pipeline.secrets import find_credentials
from sentinel_pipeline.tasks.families import FAMILIES
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline_tests.secrets.made_secrets import (
    NO_SECRETS,
    MadeSecret,
    made_secrets,
    providers,
)

MADE_OF_EACH = 5
SEED = 29
"""Of the table in docs/critic.md."""

Finder = Callable[[str], bool]
"""Whether a text holds a secret."""


def ours(text: str) -> bool:
    return next(find_credentials(text), None) is not None


def catalogue_alone() -> Finder:
    """Every rule of the detector, and none of ours."""
    from kingfisher_sdk import Rules, Scanner

    scanner = Scanner(Rules(confidence="low"))
    return lambda text: any(
        finding.visible for finding in scanner.scan(text.encode("utf-8", "replace"))
    )


def detect_secrets_defaults(stack: ExitStack) -> Finder:
    """Through files, as it is meant to be used."""
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import default_settings

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    stack.enter_context(default_settings())

    def find(text: str) -> bool:
        path = folder / "row.txt"
        path.write_text(text, encoding="utf-8", errors="replace")
        return any(True for _ in scan_file(str(path)))

    return find


def task_rows(count: int) -> list[str]:
    """Right answers of the generated task families, in turn."""
    each = count // len(FAMILIES) + 1
    bank = build(7, {family.name: each for family in FAMILIES}, {})
    return [task.reference for task in bank.train][:count]


def package_rows(count: int) -> list[str]:
    """Definitions of the standard library and of installed packages, 300 to 3,000 characters."""
    rng = Random(1)
    roots = (Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib")))
    paths = sorted({path for root in roots for path in root.glob("**/*.py")})
    rng.shuffle(paths)
    texts: list[str] = []
    for path in paths:
        if len(texts) >= count:
            break
        try:
            source = path.read_text(encoding="utf-8")
            tree = ast.parse(source)
        except (OSError, ValueError, SyntaxError):
            continue
        lines = source.split("\n")
        nodes = [
            node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        ]
        for node in rng.sample(nodes, min(4, len(nodes))):
            text = textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno]))
            if 300 <= len(text) <= 3000:
                texts.append(text)
    return texts[:count]


def benchmark_rows(folder: Path) -> list[str]:
    """Every line of the JSON files under a folder of public benchmarks."""
    rows = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".json", ".jsonl", ".gz"):
            opened = gzip.open if path.suffix == ".gz" else open
            with opened(path, "rt", encoding="utf-8") as stream:
                rows += [line for line in stream if line.strip()]
    return rows


def recall(find: Finder, rows: Sequence[MadeSecret]) -> dict[str, Any]:
    """Found and made, by group."""
    made = Counter(row.group for row in rows)
    found = Counter(row.group for row in rows if find(row.text))
    groups = {
        group: {"found": found[group], "made": made[group], "recall": round(found[group] / made[group], 4)}
        for group in made
    }  # fmt: skip
    return groups | {
        "all": {"found": found.total(), "made": made.total(), "recall": round(found.total() / made.total(), 4)}
    }  # fmt: skip


def alarms(find: Finder, texts: Sequence[str]) -> dict[str, int]:
    return {"alarms": sum(map(find, texts)), "rows": len(texts)}


def microseconds(find: Finder, texts: Sequence[str], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for text in texts:
            find(text)
        best = min(best, time.process_time() - began)
    return round(1e6 * best / len(texts), 1)


def measured(
    find: Finder, secrets: Sequence[MadeSecret], code: dict[str, list[str]], rounds: int
) -> dict[str, Any]:
    find("warm up")
    speed_on = code["packages"][:2000]
    kilobytes = sum(map(len, speed_on)) / len(speed_on) / 1000
    each = microseconds(find, speed_on, rounds)
    return {
        "recall": recall(find, secrets),
        "false_alarms": {name: alarms(find, texts) for name, texts in code.items()},
        "look_alikes": {name: alarms(find, texts) for name, texts in NO_SECRETS.items()},
        "microseconds_per_row": each,
        "microseconds_per_kilobyte": round(each / kilobytes, 1),
    }


def table(result: dict[str, Any]) -> Iterator[str]:
    """The page's table: one column a detector."""
    names = [name for name in ("ours", "catalogue", "detect_secrets") if isinstance(result.get(name), dict)]  # fmt: skip
    head = {"ours": "ours", "catalogue": "catalogue alone", "detect_secrets": "detect-secrets"}
    yield "| | " + " | ".join(head[name] for name in names) + " |"
    yield "|---" * (len(names) + 1) + "|"
    for group, counts in result["ours"]["recall"].items():
        rates = (f"{100 * result[name]['recall'][group]['recall']:.1f} %" for name in names)
        yield f"| found: {group} ({counts['made']}) | " + " | ".join(rates) + " |"
    for part in ("look_alikes", "false_alarms"):
        for group, counts in result["ours"][part].items():
            numbers = (str(result[name][part][group]["alarms"]) for name in names)
            yield f"| false alarms: {group} ({counts['rows']}) | " + " | ".join(numbers) + " |"
    speeds = (f"{result[name]['microseconds_per_kilobyte']}" for name in names)
    yield "| microseconds a kilobyte of code | " + " | ".join(speeds) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--made", type=int, default=MADE_OF_EACH, help="values of each kind")
    parser.add_argument("--benchmarks", type=Path)
    parser.add_argument("--table", action="store_true", help="print the table of docs/critic.md")
    arguments = parser.parse_args()
    secrets = list(made_secrets(arguments.made, seed=SEED))
    half = arguments.rows // 2
    code = {"tasks": task_rows(half), "packages": package_rows(arguments.rows - half)}
    if arguments.benchmarks:
        code["benchmarks"] = benchmark_rows(arguments.benchmarks)
    result: dict[str, Any] = {
        "benchmark": "secret_detector",
        "providers": len(providers()),
        "ours": measured(ours, secrets, code, arguments.rounds),
        "catalogue": measured(catalogue_alone(), secrets, code, arguments.rounds),
    }
    with ExitStack() as stack:
        if find_spec("detect_secrets") is None:
            result["detect_secrets"] = "not installed: pip install detect-secrets"
        else:
            few = {name: texts[:1000] for name, texts in code.items()}
            result["detect_secrets"] = measured(detect_secrets_defaults(stack), secrets, few, 1)
    print("\n".join(table(result)) if arguments.table else json.dumps(result))


if __name__ == "__main__":
    main()
