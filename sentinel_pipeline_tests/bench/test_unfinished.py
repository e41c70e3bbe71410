"""``sentinel grade`` killed, raced, and out of disk: what is done stays, nothing is half-written,
nothing is graded twice."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.bench.unfinished import unfinished
from sentinel_pipeline.errors import Infrastructure
from sentinel_pipeline_tests.bench.material import HUMANEVAL, file_of

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [
    sys.executable,
    "-c",
    "from sentinel_pipeline.cli import main; main()",
    "grade",
    "--workers",
    "1",
    "--json",
]
BUSY = "    import time\n    while time.process_time() < 0.08:\n        pass\n    return x / {by}\n"
ROWS = [
    {"task_id": "HumanEval/900", "completion": BUSY.format(by=2 + n % 2), "n": n, "pad": "p" * 2000}
    for n in range(40)
]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return file_of(tmp_path, HUMANEVAL), file_of(tmp_path, *ROWS, name="samples.jsonl")


def start(
    files: tuple[Path, Path], *more: str, before: Callable[[], None] | None = None
) -> subprocess.Popen[str]:
    problems, samples = files
    command = [*COMMAND, str(samples), "--problems", str(problems), *more]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, preexec_fn=before
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, json.loads(out) if out else {}, err


def wait_for_rows(part: Path, count: int) -> int:
    for _ in range(1200):
        found = part.read_bytes().count(b"\n") if part.exists() else 0
        if found >= count:
            return found
        time.sleep(0.05)
    raise AssertionError("no rows came")


def verdicts(path: Path) -> list[tuple[Any, ...]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    names = (
        "n",
        "task_id",
        "completion",
        "result",
        "passed",
        "outcome",
        "code",
        "detail",
        "trust",
        "problem",
    )
    return [tuple(row[name] for name in names) for row in rows]


def mark_first_row(part: Path) -> None:
    """Leave in the first row a time that no grader measures, so that it is known again."""
    first, rest = part.read_bytes().split(b"\n", 1)
    marked = json.loads(first) | {"cpu_seconds": 123456.0}
    part.write_bytes(json.dumps(marked).encode() + b"\n" + rest)


def test_killed_in_the_middle_it_goes_on_and_ends_as_if_it_had_not_been(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    code, whole, _ = finish(start(files, "--out", str(tmp_path / "whole.jsonl")))
    assert (code, whole["resumed"], whole["pass_at"]["1"]) == (0, 0, 0.5)
    out, part = tmp_path / "killed.jsonl", tmp_path / ".killed.jsonl.part"
    process = start(files, "--out", str(out))
    wait_for_rows(part, 5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = part.read_bytes().count(b"\n")
    assert 5 <= done < len(ROWS) and not out.exists()
    mark_first_row(part)
    with part.open("ab") as stream:
        stream.write(b'{"task_id": "HumanEval/900", "passed": true, "prob')
    code, report, err = finish(start(files, "--out", str(out)))
    assert (code, report["resumed"]) == (0, done) and f"({done} were graded before)" in err
    assert verdicts(out) == verdicts(tmp_path / "whole.jsonl")
    assert json.loads(out.read_text().splitlines()[0])["cpu_seconds"] == 123456.0, (
        "the first row was graded again"
    )
    same = ("n_samples", "pass_at", "interval", "codes", "trust", "infra", "missing", "repeated")
    assert {name: report[name] for name in same} == {name: whole[name] for name in same}
    assert sorted(path.name for path in tmp_path.iterdir() if "killed" in path.name) == [
        "killed.jsonl"
    ]


def test_other_samples_or_limits_do_not_go_on_from_foreign_rows(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    process = start(files)
    part = tmp_path / ".samples.jsonl_results.jsonl.part"
    wait_for_rows(part, 2)
    process.kill()
    process.communicate()
    key = tmp_path / ".samples.jsonl_results.jsonl.key"
    kept = part.read_bytes(), key.read_bytes()
    few = json.dumps(ROWS[0]) + "\n"
    for change in (
        lambda: files[1].write_text(few * 3),
        lambda: file_of(tmp_path, HUMANEVAL | {"test": HUMANEVAL["test"] + "#"}),
    ):
        part.write_bytes(kept[0])
        key.write_bytes(kept[1])
        change()
        code, report, _ = finish(start(files))
        assert (code, report["resumed"], report["n_samples"]) == (0, 0, 3)


def test_two_at_once_on_one_file_are_one_too_many(files: tuple[Path, Path], tmp_path: Path) -> None:
    first = start(files)
    wait_for_rows(tmp_path / ".samples.jsonl_results.jsonl.part", 1)
    first.send_signal(signal.SIGSTOP)  # it shall not be over before the second one looks
    code, report, err = finish(start(files))
    first.send_signal(signal.SIGCONT)
    assert (
        (code, report["error"]["kind"]) == (4, "infrastructure")
        and "another process is grading into" in err
        and "Traceback" not in err
    )
    code, report, _ = finish(first)
    assert (code, report["resumed"], sum(report["codes"].values())) == (0, 0, len(ROWS))


def test_a_full_disk_ends_with_infrastructure_and_leaves_nothing_half_written(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

    code, report, err = finish(start(files, before=small_disk))
    assert (
        (code, report["error"]["kind"]) == (4, "infrastructure")
        and "File too large" in err
        and "Traceback" not in err
    )
    assert not (tmp_path / "samples.jsonl_results.jsonl").exists()
    part = tmp_path / ".samples.jsonl_results.jsonl.part"
    whole = part.read_bytes().count(b"\n")
    assert 0 < whole < 20 and part.stat().st_size <= 20_000
    code, report, _ = finish(start(files))
    assert (code, report["resumed"]) == (0, whole)
    assert [row[0] for row in verdicts(tmp_path / "samples.jsonl_results.jsonl")] == list(
        range(len(ROWS))
    )


def test_a_folder_that_cannot_be_written_is_infrastructure(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("kept")
    before = sorted(tmp_path.iterdir())
    code, report, err = finish(start(files, "--out", str(tmp_path / "file" / "deeper" / "r.jsonl")))
    assert (
        (code, report["error"]["kind"]) == (4, "infrastructure")
        and "Not a directory" in err
        and "Traceback" not in err
    )
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "file").read_text() == "kept"


def test_rows_reach_the_file_one_by_one(tmp_path: Path) -> None:
    with unfinished(tmp_path / "r.jsonl", "k") as results:
        for number in range(3):
            results.add({"n": number})
            assert (tmp_path / ".r.jsonl.part").read_text().count("\n") == number + 1
    assert (tmp_path / "r.jsonl").read_text() == '{"n": 0}\n{"n": 1}\n{"n": 2}\n'


def test_an_error_keeps_the_rows_and_the_old_results(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text("old\n")
    with pytest.raises(KeyboardInterrupt), unfinished(tmp_path / "r.jsonl", "k") as results:
        results.add({"n": 0})
        raise KeyboardInterrupt
    assert (tmp_path / "r.jsonl").read_text() == "old\n"
    with unfinished(tmp_path / "r.jsonl", "k") as results:
        assert list(results.rows()) == [{"n": 0}]
        results.add({"n": 1})
    assert (tmp_path / "r.jsonl").read_text() == '{"n": 0}\n{"n": 1}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["r.jsonl"]


def test_rows_of_another_key_are_dropped(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), unfinished(tmp_path / "r.jsonl", "one") as results:
        results.add({"n": 0})
        raise KeyboardInterrupt
    with unfinished(tmp_path / "r.jsonl", "other") as results:
        assert list(results.rows()) == []
    assert (tmp_path / "r.jsonl").read_text() == ""


def test_a_mark_that_was_removed_just_before_the_lock_guards_nothing_and_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening the mark and locking it, its last owner may have removed it."""
    mark, real = tmp_path / ".r.jsonl.key", fcntl.flock
    removed: Iterator[bool] = iter([True])

    def late(holder: Any, how: int) -> None:
        if next(removed, False):
            mark.unlink()
        real(holder, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with unfinished(tmp_path / "r.jsonl", "k") as results:
        results.add({"n": 0})
        assert mark.read_text() == "k"
        with (
            pytest.raises(Infrastructure, match="another process"),
            unfinished(tmp_path / "r.jsonl", "k"),
        ):
            raise AssertionError("two hold the file")
    assert (tmp_path / "r.jsonl").read_text() == '{"n": 0}\n'
