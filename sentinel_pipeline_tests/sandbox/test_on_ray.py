"""Batches on a Ray cluster of two nodes, one of which dies on the way: order, retries, and the
verdicts of the local grader."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.cluster import RETRIES, connect, map_batches
from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.errors import BadInput, GateRefused, Infrastructure
from sentinel_pipeline.records import Message, PythonTests
from sentinel_pipeline.records.data_spec import CriticSpec
from sentinel_pipeline.sandbox import Grader, Level, Limits, Program, RayGrader, Result
from sentinel_pipeline_tests.sandbox.attacks import FOOLING
from sentinel_pipeline_tests.sandbox.attacks import TESTS as SECRET
from sentinel_pipeline_tests.tools import RayCluster

pytestmark = pytest.mark.slow

TESTS = PythonTests(tests="assert f(2) == 4", entry_point="f")
LIMITS = Limits(cpu_seconds=1)
BODIES = ["return x + 2", "return x", "return 1 / 0", "import sys; sys.exit(0)", "return x * x"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one processor each, and this process connected to them."""
    handler = signal.getsignal(signal.SIGTERM)
    with RayCluster() as nodes:
        assert signal.getsignal(signal.SIGTERM) is handler
        nodes.add_node()
        yield nodes


def program(number: int, body: str) -> Program:
    return Program(id=str(number), code=f"def f(x):\n    {body}\n", verifier=TESTS)


def verdicts(results: list[Result]) -> list[tuple[str, str, str, str]]:
    return [(result.id, result.outcome.value, result.code, result.detail) for result in results]


def _squares(seen: Path, batch: list[int]) -> list[int]:
    with (seen / "runs").open("a", encoding="ascii") as log:
        log.write(f"{batch[0]}\n")
    return [number * number for number in batch]


def _dies_once(seen: Path, batch: list[int]) -> list[int]:
    mark = seen / str(batch[0])
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return batch


def _dies(seen: Path, batch: list[int]) -> list[Any]:
    with (seen / "tries").open("a", encoding="ascii") as log:
        log.write("x")
    os._exit(1)


def _refuses(batch: list[int]) -> list[int]:
    if 7 in batch:
        raise GateRefused("not here")
    return batch


def _package_of_a_node(batch: list[int]) -> list[str]:
    import sentinel_pipeline

    return [sentinel_pipeline.__file__ for _ in batch]


def test_nodes_run_the_same_package_as_this_process(cluster: Any) -> None:
    import sentinel_pipeline

    assert set(map_batches(_package_of_a_node, range(8), size=1)) == {sentinel_pipeline.__file__}


def test_results_come_in_order_and_input_is_taken_as_it_is_needed(
    cluster: Any, tmp_path: Path
) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = map_batches(partial(_squares, tmp_path), endless(), size=3)
    assert [next(results) for _ in range(10)] == [number * number for number in range(1, 11)]
    results.close()
    assert taken <= 3 * 12
    assert list(map_batches(partial(_squares, tmp_path), range(7), size=3)) == [
        0,
        1,
        4,
        9,
        16,
        25,
        36,
    ]


def test_a_batch_whose_process_dies_is_run_again(cluster: Any, tmp_path: Path) -> None:
    assert list(map_batches(partial(_dies_once, tmp_path), range(10), size=4)) == list(range(10))
    assert {path.name for path in tmp_path.iterdir()} == {"0", "4", "8"}


def test_a_batch_that_always_dies_is_infrastructure_and_the_others_are_not(
    cluster: Any, tmp_path: Path
) -> None:
    with pytest.raises(Infrastructure, match=f"a batch was lost {RETRIES + 1} times"):
        list(map_batches(partial(_dies, tmp_path), range(3), size=3))
    assert (tmp_path / "tries").read_text() == "x" * (RETRIES + 1)
    found = list(
        map_batches(
            partial(_dies, tmp_path), range(2), size=2, lost=lambda item, why: f"{item} {why[:16]}"
        )
    )
    assert found == ["0 a batch was lost", "1 a batch was lost"]


def test_what_the_work_raises_is_raised_here_as_it_is(cluster: Any) -> None:
    with pytest.raises(GateRefused, match="not here") as caught:
        list(map_batches(_refuses, range(10), size=2))
    assert type(caught.value) is GateRefused


def test_a_node_that_isolates_less_than_is_required_refuses(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Grader(workers=1) as local:
        reached = local.isolation.level
    if reached is Level.FULL:
        assert (
            len(list(RayGrader(require_isolation=Level.FULL).grade([program(0, BODIES[0])]))) == 1
        )
        return
    with pytest.raises(GateRefused, match="'full' is required"):
        list(RayGrader(require_isolation=Level.FULL).grade([program(0, BODIES[0])]))


def test_verdicts_are_the_local_ones_also_when_a_node_dies_on_the_way(cluster: Any) -> None:
    programs = [program(number, BODIES[number % len(BODIES)]) for number in range(320)]
    programs[60] = programs[300] = program(60, "while True: pass")
    hostile = PythonTests(tests=SECRET, entry_point="f")
    programs[100:100] = [
        Program(id=name, code=code, verifier=hostile) for name, code in FOOLING.items()
    ]
    with Grader(limits=LIMITS) as local:
        expected = verdicts(list(local.grade(programs)))
    second = cluster.add_node()
    with RayGrader(limits=LIMITS) as grader:
        found = []
        for number, result in enumerate(grader.grade(programs)):
            found.append(result)
            if number == 40:
                cluster.kill(second)
    assert verdicts(found) == expected
    assert cluster.is_gone(second)


def test_a_recipe_that_says_ray_scores_as_one_that_does_not(cluster: Any) -> None:
    def items() -> Iterator[Scorable]:
        for number in range(100):
            code = f"```python\ndef f(x):\n    {BODIES[number % len(BODIES)]}\n```"
            yield Scorable(str(number), (Message("user", "f"),), code, TESTS)

    local, ray = (
        [
            (one.id, one.outcome, one.reason)
            for one in score(items(), spec=CriticSpec(engine=engine, cpu_seconds=1))
        ]
        for engine in ("local", "ray")
    )
    assert local == ray
    assert [reason for _, _, reason in ray[:2]] == ["passed", "assertion: f(2): expected 4, got 2"]


def test_without_a_cluster_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    if ray.is_initialized():
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(BadInput, match="no Ray cluster is named.*Start one"):
        connect()
