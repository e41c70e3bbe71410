"""The extractor over made model outputs: values right, corrupted and refused, and outputs a second,
on one core.

Peers in the same run: ``json.loads``, the V4.1 handoff's own parser (written anew from its
description), and json-repair where installed. Outputs are made from values that are known; *short*
ones have at most 120 characters. Rates are CPU time, the median of rounds.

    python benchmarks/extract.py [--rows 6500] [--rounds 5] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sentinel_pipeline.critic.extract import extract
from sentinel_pipeline_tests.critic.made_outputs import Made, made_outputs, seed_parser
from sentinel_pipeline_tests.critic.test_json_repair import same

SHORT = 120
FAILED = object()


def ours(text: str) -> Any:
    found = extract(text, "json", reading="mend")
    return FAILED if found.error else found.value


def plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return FAILED


def seeds(text: str) -> Any:
    found = seed_parser(text)
    return FAILED if found is None else found


def readers() -> dict[str, Callable[[str], Any]]:
    found: dict[str, Callable[[str], Any]] = {
        "sentinel": ours,
        "json.loads": plain,
        "V4.1 handoff": seeds,
    }
    try:
        from json_repair import loads
    except ImportError:
        print("json-repair is not installed: left out", file=sys.stderr)
    else:
        found["json-repair"] = lambda text: loads(text) or FAILED
    return found


def judge(read: Callable[[str], Any], made: Sequence[Made]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for one in made:
        value = read(one.text)
        counts[
            "refused" if value is FAILED else "right" if same(value, one.value) else "corrupted"
        ] += 1
    return counts


def rate(read: Callable[[str], Any], texts: Sequence[str], rounds: int) -> float:
    """Texts a second of CPU time."""
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        for text in texts:
            read(text)
        taken.append(time.process_time() - began)
    return len(texts) / statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=6500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    made = list(made_outputs(asked.rows))
    short = [one.text for one in made if len(one.text) <= SHORT]
    report = {
        name: {**judge(read, made), "short_per_s": round(rate(read, short, asked.rounds))}
        for name, read in readers().items()
    }
    strict = [json.dumps(one.value) for one in made if len(json.dumps(one.value)) <= SHORT]
    report["sentinel"]["valid_short_per_s"] = round(rate(ours, strict, asked.rounds))
    if asked.json:
        print(json.dumps({"rows": len(made), "short": len(short), "readers": report}))
        return
    print(f"{len(made)} made outputs, {len(short)} of at most {SHORT} characters")
    for name, row in report.items():
        print(
            f"{name:12} right {row.get('right', 0):6} corrupted {row.get('corrupted', 0):6} refused {row.get('refused', 0):6} "
            f"{row['short_per_s']:9,} short/s"
        )
    print(f"sentinel on valid JSON only: {report['sentinel']['valid_short_per_s']:,} short/s")


if __name__ == "__main__":
    main()
