"""Labels are worked out once: what a rerun grades is counted, also after a kill, a changed limit or
scorer, our own trouble."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.critic import labels as labels_module
from sentinel_pipeline.critic import score as score_module
from sentinel_pipeline.critic.labels import content_key, label
from sentinel_pipeline.records import Candidate, CriticLabels, Label, PythonTests
from sentinel_pipeline.records.data_spec import CriticSpec
from sentinel_pipeline.store.label_cache import LabelCache
from sentinel_pipeline_tests.critic.planted import planted, right

ROWS = [*right(rows=30), *(row.candidate for row in planted(rows=1) if row.kind != "cheating")]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[LabelCache]:
    with LabelCache(tmp_path / "state" / "labels.sqlite") as made:
        yield made


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the rows that are prepared for judging, in order."""
    seen: list[str] = []
    real = labels_module.prepare

    def counting(candidate: Candidate, stop: str | None) -> Any:
        seen.append(candidate.id)
        return real(candidate, stop)

    monkeypatch.setattr(labels_module, "prepare", counting)
    return seen


def test_a_rerun_grades_nothing_and_says_the_same(cache: LabelCache, graded: list[str]) -> None:
    first = list(label(ROWS, cache=cache))
    assert len(graded) == len(ROWS) and first == list(label(ROWS))
    graded.clear()
    assert list(label(ROWS, cache=cache)) == first
    assert graded == [] and (cache.known, cache.unknown) == (len(ROWS), len(ROWS))


def test_only_changed_rows_are_graded(cache: LabelCache, graded: list[str]) -> None:
    list(label(ROWS, cache=cache))
    graded.clear()
    verifier = ROWS[1].verifier
    assert isinstance(verifier, PythonTests)
    changed = [
        replace(ROWS[0], completion=ROWS[0].completion + "# more\n"),
        replace(ROWS[1], verifier=replace(verifier, tests=verifier.tests + "\nassert True")),
        replace(ROWS[2], messages=(*ROWS[2].messages[:-1], replace_content(ROWS[2]))),
        replace(ROWS[3], corrected_by="other"),
        replace(ROWS[4], id="renamed", category="devops", file="elsewhere", line=9),
    ]
    found = list(label([*changed, *ROWS[5:]], cache=cache))
    assert graded == [row.id for row in ROWS[:4]]
    assert found[4].id == "renamed"
    assert found[3].accepted == Label(
        False, "corrected: the source holds a correction of this answer"
    )


def replace_content(row: Candidate) -> Any:
    return row.messages[-1]._replace(content=row.messages[-1].content + " Please.")


@pytest.mark.parametrize(
    "spec", [CriticSpec(cpu_seconds=4.0), CriticSpec(memory_mib=256), CriticSpec(stop_token="</s>")]
)
def test_another_limit_is_another_question(
    spec: CriticSpec, cache: LabelCache, graded: list[str]
) -> None:
    list(label(ROWS[:3], cache=cache))
    graded.clear()
    list(label(ROWS[:3], cache=cache, spec=spec))
    assert len(graded) == 3


def test_another_scorer_labels_anew(
    cache: LabelCache, graded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    list(label(ROWS[:3], cache=cache))
    graded.clear()
    monkeypatch.setattr(labels_module, "label_version", lambda: "v-other")
    assert {one.scorer_version for one in label(ROWS[:3], cache=cache)} == {"v-other"} and len(
        graded
    ) == 3
    assert cache.forget_others(["v-other"]) == 3
    assert len(cache.find([content_key(row, "v-other|5.0|512|None") for row in ROWS[:3]])) == 3


def test_what_infrastructure_left_open_is_asked_again(
    cache: LabelCache, graded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = labels_module.tests_pass
    monkeypatch.setattr(
        labels_module, "tests_pass", lambda score: Label(None, "infra: worker died")
    )
    assert {one.accepted.code for one in label(ROWS[:4], cache=cache)} == {"infra"}
    monkeypatch.setattr(labels_module, "tests_pass", real)
    graded.clear()
    assert all(one.accepted.value for one in label(ROWS[:4], cache=cache)) and len(graded) == 4


def test_known_rows_stream(cache: LabelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that need no work must not be gathered before the first one comes out."""
    rows = [replace(row, verifier=None) for row in ROWS[:1]] * 20_000
    list(label(rows[:1], cache=cache))
    taken = 0

    def source() -> Iterable[Candidate]:
        nonlocal taken
        for row in rows:
            taken += 1
            yield row

    list(islice(label(source(), cache=cache), 10))
    assert taken <= 6000


def _label_slowly(path: Path, rows: list[Candidate]) -> None:
    labels_module.BATCH, score_module.SEGMENT = 4, 8

    def source() -> Iterator[Candidate]:
        for row in rows:
            time.sleep(0.05)
            yield row

    with LabelCache(path) as cache:
        for _ in label(source(), cache=cache, workers=1):
            pass


def test_a_killed_run_goes_on(tmp_path: Path, graded: list[str]) -> None:
    path = tmp_path / "labels.sqlite"
    rows = [replace(row, verifier=None) for row in ROWS]
    child = multiprocessing.get_context("fork").Process(target=_label_slowly, args=(path, rows))
    child.start()
    end = time.monotonic() + 60
    while time.monotonic() < end and _kept(path) < 8:
        time.sleep(0.02)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    kept = _kept(path)
    assert 8 <= kept < len(rows)
    with LabelCache(path) as cache:
        found: list[CriticLabels] = list(label(rows, cache=cache))
    assert len(graded) == len(rows) - kept and found == list(label(rows))


def _kept(path: Path) -> int:
    if not path.is_file():
        return 0
    try:
        connection = sqlite3.connect(path, timeout=10)
        count = int(connection.execute("select count(*) from labels").fetchone()[0])
        connection.close()
    except sqlite3.OperationalError:
        return 0
    return count


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("while True: pass", "timeout"),
        ("return bytearray(1 << 40)", "memory"),
        ("return 'x' * (1 << 20)", "output_limit"),
    ],
)
def test_what_a_limit_ended_is_asked_again(
    body: str, code: str, cache: LabelCache, graded: list[str]
) -> None:
    """The next day, or the next machine, may say otherwise."""
    verifier = ROWS[0].verifier
    assert isinstance(verifier, PythonTests)
    name = verifier.entry_point
    row = replace(ROWS[0], completion=f"```python\ndef {name}(*args):\n    {body}\n```")
    spec = CriticSpec(cpu_seconds=0.3)
    for _ in range(2):
        (labels,) = label([row], spec=spec, cache=cache)
        assert labels.tests_pass.code == code, labels.tests_pass.reason
    assert graded == [row.id, row.id] and cache.known == 0
