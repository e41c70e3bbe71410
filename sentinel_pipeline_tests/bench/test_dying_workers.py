"""Judges that die while samples are graded: the sample it was is named, the rest is graded, and it
always ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.bench.problems import Problem
from sentinel_pipeline.sandbox import Grader, worker
from sentinel_pipeline_tests.bench.material import RIGHT, WRONG, graded, row


def test_a_worker_that_dies_on_one_sample_twice_costs_that_sample_only(
    tmp_path: Path, problems: dict[str, Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = worker.Worker.receive

    def dying(self: worker.Worker) -> Any:
        if self.out and "deadly" in self.out[0].program.code:
            self.process.kill()
            self.process.wait()
            raise self._broken("the worker ended")
        return receive(self)

    monkeypatch.setattr(worker.Worker, "receive", dying)
    rows = [row(WRONG if number % 2 else RIGHT) for number in range(20)]
    rows[7] = row("    return x / 2  # deadly\n")
    with Grader(workers=2) as grader:
        tally, results = graded(tmp_path, grader, problems, *rows)
    assert [result["passed"] for result in results] == [
        None if n == 7 else n % 2 == 0 for n in range(20)
    ]
    assert (
        results[7]["code"] == "infra"
        and "the worker ended twice on this program" in results[7]["result"]
    )
    assert "status -9" in results[7]["detail"]
    assert (tally.infra, tally.judged["HumanEval/900"], tally.passed["HumanEval/900"]) == (
        1,
        19,
        10,
    )


def test_judges_killed_at_any_moment_change_no_verdict_that_is_given(
    tmp_path: Path, problems: dict[str, Problem]
) -> None:
    rows = [row(RIGHT if number % 3 else WRONG, number=number) for number in range(150)]
    stop = threading.Event()

    def killer(grader: Grader) -> None:
        while not stop.wait(0.12):
            for each in list(grader.workers)[:1]:
                os.kill(each.process.pid, signal.SIGKILL)

    with Grader(workers=2) as grader:
        thread = threading.Thread(target=killer, args=(grader,))
        thread.start()
        try:
            tally, results = graded(tmp_path, grader, problems, *rows)
        finally:
            stop.set()
            thread.join()
    assert [result["number"] for result in results] == list(range(150))
    given = [
        (result["number"], result["passed"]) for result in results if result["passed"] is not None
    ]
    assert (
        given == [(number, number % 3 > 0) for number, _ in given]
        and len(given) + tally.infra == 150
    )
    assert len(given) > 100


def test_judges_that_cannot_start_end_in_infrastructure_not_in_a_loop(
    tmp_path: Path, problems: dict[str, Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_BOOT", "import sys; sys.exit('no room left')")
    began = time.monotonic()
    with Grader(workers=1) as grader:
        tally, results = graded(tmp_path, grader, problems, row(RIGHT), row(WRONG))
    assert [result["code"] for result in results] == ["infra", "infra"] and tally.infra == 2
    assert all("no room left" in result["detail"] for result in results)
    assert tally.rates((1,)) == {} and time.monotonic() - began < 30
