"""Reports, comparisons with artifact detectors, and the HTML page for 4 checkpoints, 10 suites and
1,000 items each: under 10 s.

The peer is the plainest thing that reads the same rows: writing and parsing the samples as JSONL.
Answers are drawn, not generated; nothing here needs a model.

    python benchmarks/comparison.py [--items 1000] [--page FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from random import Random

from sentinel_pipeline.bench.compare import compare_suites
from sentinel_pipeline.bench.compare_text import (
    comparison_markdown,
    comparison_page,
    comparison_plot,
)
from sentinel_pipeline.bench.lm_eval import write_results
from sentinel_pipeline.bench.report import build_report
from sentinel_pipeline.bench.samples import write_samples
from sentinel_pipeline.records import CATEGORIES, SampleScore
from sentinel_pipeline.store import Draft

STAGES = {"base": 0.10, "sft": 0.55, "dpo": 0.62, "grpo": 0.70}
SUITES = 10


def samples(stage: str, suite: int, items: int) -> list[SampleScore]:
    """Answers whose outcome comes from the item's difficulty, so that checkpoints agree as real
    ones do."""
    drawn = Random(f"{stage}|{suite}")
    rows = []
    for item in range(items):
        difficulty = Random(f"{suite}|{item}").random()
        passed = difficulty < STAGES[stage] + drawn.gauss(0, 0.15)
        text = (
            f"def answer_{item}(values):\n    total = {drawn.randint(0, 99)}\n"
            + "    total += 1\n" * drawn.randint(1, 25)
        )
        rows.append(
            SampleScore(
                task_id=f"s{suite}-{item}",
                category=CATEGORIES[item % 5],
                family=f"family_{item % 8}",
                completion=text,
                outcome="pass" if passed else "fail",
                reason="passed"
                if passed
                else drawn.choice(("assertion: expected 4, got 5", "timeout: 5 s", "syntax_error")),
                syntax_ok=passed or drawn.random() < 0.7,
                stopped=True,
                tokens=len(text) // 4,
                seconds=0.0,
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--page", type=Path)
    args = parser.parse_args()
    drawn = {
        stage: {f"suite_{n}": samples(stage, n, args.items) for n in range(SUITES)}
        for stage in STAGES
    }
    clock, cpu = {"start": time.perf_counter()}, time.process_time()
    reports = []
    with tempfile.TemporaryDirectory() as folder:
        for stage, by_suite in drawn.items():
            out = Draft(Path(folder) / stage, resumed=False)
            mine = [
                build_report(
                    rows,
                    stage=stage,
                    suite=suite,
                    model=stage,
                    model_hash=stage,
                    scorer_version="v-bench",
                    decoding={},
                )
                for suite, rows in by_suite.items()
            ]
            for suite, rows in by_suite.items():
                write_samples(out, suite, rows)
            write_results(out, mine, by_suite)
            reports += mine
        clock["reports"] = time.perf_counter()
        pairs = [*pairwise(STAGES), ("base", "grpo")]
        found = [
            one
            for a, b in pairs
            for one in compare_suites(drawn[a], drawn[b], from_stage=a, to_stage=b).values()
        ]
        clock["comparisons"] = time.perf_counter()
        page = comparison_page("base → sft → dpo → grpo", found, reports)
        clock["page"] = time.perf_counter()
        comparison_markdown(found)
        comparison_plot(found)
        clock["markdown and plot"], cpu = time.perf_counter(), time.process_time() - cpu
        for stage in STAGES:
            for path in sorted((Path(folder) / stage).glob("samples_*.jsonl")):
                rows = [json.loads(line) for line in path.read_text().splitlines()]
                path.write_text("\n".join(json.dumps(row) for row in rows))
        clock["peer"] = time.perf_counter()
    if args.page:
        args.page.write_text(page, encoding="utf-8")
    marks = list(clock.items())
    for (_, before), (name, after) in pairwise(marks):
        print(f"{name:18} {after - before:6.2f} s")
    total, peer = (
        clock["markdown and plot"] - clock["start"],
        clock["peer"] - clock["markdown and plot"],
    )
    print(f"all                {total:6.2f} s of 10 ({cpu:.2f} s of processor time)")
    print(
        f"                   {total / peer:.1f} times parsing and writing the samples; page {len(page) >> 10} KiB"
    )


if __name__ == "__main__":
    main()
