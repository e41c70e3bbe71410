"""References as samples: limits that fit them, those that do not pass are named, and every public
one passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.bench.grade import allow, calibrate, grade_samples
from sentinel_pipeline.bench.problems import load_problems
from sentinel_pipeline.sandbox import Grader, Limits
from sentinel_pipeline_tests.bench.material import HUMANEVAL, MBPP, PLUS, file_of


def test_a_reference_that_fails_on_its_inputs_is_named_with_its_reason(
    tmp_path: Path, grader: Grader
) -> None:
    broken = PLUS | {"canonical_solution": "    return 1 / (x - 3)\n"}
    wrong = HUMANEVAL | {"canonical_solution": "    return x\n"}
    _, faulty = calibrate(load_problems(str(file_of(tmp_path, broken, wrong, MBPP))), grader)
    assert faulty.keys() == {"HumanEval/901", "HumanEval/900"}
    assert "ZeroDivisionError" in faulty["HumanEval/901"] and faulty["HumanEval/900"].startswith(
        "assertion: half(4)"
    )


def test_a_reference_that_needs_more_than_usual_gets_it_and_so_do_samples(tmp_path: Path) -> None:
    large = PLUS | {
        "entry_point": "f",
        "prompt": "def f(n):\n",
        "canonical_solution": "    return [n] * n\n",
    }
    rows: list[dict[str, Any]] = [
        large | {"task_id": "large", "base_input": [[300_000]], "plus_input": []},
        MBPP | {"task_id": 1},
        {
            "task_id": "slow",
            "tests": "assert f() == 1",
            "reference": "import time\ndef f():\n    while time.process_time() < 0.8:\n        pass\n    return 1\n",
        },
    ]
    problems = load_problems(str(file_of(tmp_path, *rows)))
    with Grader(workers=1, limits=Limits(cpu_seconds=0.5, wall_seconds=1.5)) as grader:
        limits, faulty = calibrate(problems, grader)
        assert faulty == {} and limits.keys() == {"large", "slow"}
        assert (
            limits["slow"].cpu_seconds > 4 * 0.3
            and limits["slow"].wall_seconds >= 4 * limits["slow"].cpu_seconds
        )
        assert (
            limits["large"].output_kib > 256
            and allow(Limits(), 1).wall_seconds == Limits().wall_seconds
        )
        samples = tmp_path / "samples.jsonl"
        code = {
            "large": "    return [n for _ in range(n)]\n",
            "slow": rows[2]["reference"],
            "1": MBPP["code"],
        }
        samples.write_text(
            "".join(json.dumps({"task_id": name, "completion": code[name]}) + "\n" for name in code)
        )
        tally = grade_samples(samples, problems, tmp_path / "out.jsonl", grader, limits)
    assert tally.codes == {"passed": 3}


def test_multipl_es_public_file_is_read_and_graded(tmp_path: Path, benchmarks_dir: Path) -> None:
    problems = load_problems(str(benchmarks_dir / "multipl_e_ts" / "humaneval-ts.jsonl"))
    assert len(problems) == 159
    name = "HumanEval_23_strlen"
    rows = [
        {"name": name, "completion": f"  return {text};\n}}\n"}
        for text in ("string.length", "3", "[...string].length")
    ]
    samples = file_of(tmp_path, *rows, name="samples.jsonl")
    with Grader(workers=1) as grader:
        tally = grade_samples(samples, problems, tmp_path / "results.jsonl", grader, {})
    assert (tally.judged[name], tally.passed[name], tally.infra) == (3, 2, 0)


@pytest.mark.parametrize(
    ("name", "count"), [("humaneval/HumanEval.jsonl.gz", 164), ("mbpp/mbpp.jsonl", 974)]
)
def test_every_reference_of_the_public_files_passes_as_a_sample(
    tmp_path: Path, benchmarks_dir: Path, name: str, count: int
) -> None:
    problems = load_problems(str(benchmarks_dir / name))
    assert len(problems) == count
    kept = dict(list(problems.items())[:: 1 if count < 500 else 6])
    samples = tmp_path / "samples.jsonl"
    samples.write_text(
        "".join(
            json.dumps({"task_id": n, "solution": one.reference}) + "\n" for n, one in kept.items()
        )
    )
    with Grader(limits=allow(Limits(), 20)) as grader:
        tally = grade_samples(samples, kept, tmp_path / "results.jsonl", grader, {})
    assert tally.codes == {"passed": len(kept)} and tally.infra == 0
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [row["task_id"] for row in rows] == list(kept) and {row["result"] for row in rows} == {
        "passed"
    }
    assert tally.rates((1,))["pass@1"] == {"value": 1.0, "tasks": len(kept)}
