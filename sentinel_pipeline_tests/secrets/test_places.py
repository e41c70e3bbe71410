"""Every file, page and message that shows a row or an error shows it without its secrets; what must
hold a row as it is still does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

from typer.testing import CliRunner

from sentinel_pipeline.alerts.deliver import send
from sentinel_pipeline.bench.compare import compare
from sentinel_pipeline.bench.failures import Measured, failures
from sentinel_pipeline.candidates.decode import EXCERPT_CHARS, quarantined
from sentinel_pipeline.cli import app
from sentinel_pipeline.records import (
    Candidate,
    CriticLabels,
    Label,
    Message,
    SampleScore,
    Task,
)
from sentinel_pipeline.records.alert import Alert
from sentinel_pipeline.records.report import Outcome
from sentinel_pipeline.records.verifiers import PythonTests
from sentinel_pipeline.run_job import failure_of
from sentinel_pipeline.sandbox import Program, grade
from sentinel_pipeline.sandbox.stderr_tail import stderr_tail
from sentinel_pipeline.secrets import MASK
from sentinel_pipeline.store import Home
from sentinel_pipeline.store.labelled import rejected_rows
from sentinel_pipeline.store.tables import table_writer
from sentinel_pipeline.worker.failures import Failure, read_failure, write_failure
from sentinel_pipeline_tests.alerts.doubles import webhook
from sentinel_pipeline_tests.secrets.made_secrets import Draw

KEY = "gh" + "p_" + Draw(Random(4)).of("abcdefghkmnpqrstuvwxyz23456789ABCDEFGH", 36)


def test_rejected_rows_and_quarantine_of_a_file_show_no_secret(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    tests = f"assert f() == '{KEY}'"
    rows = [
        {"prompt": f"Use {KEY}.", "response": "def f():\n    return 1\n"},
        {"prompt": "Write f.", "response": f"def f():\n    return '{KEY[:-1]}'\n", "tests": tests},
        {"prompt": "Write f.", "response": ["no text", KEY]},
        {"prompt": "Write f in Python.", "response": "def f():\n    return 1\n"},
    ]
    file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["label", str(file), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    written = {path.name: path.read_text("utf-8") for path in out.glob("*.jsonl")}
    assert set(written) == {"accepted.jsonl", "rejected.jsonl", "quarantine.jsonl"}
    for name, text in written.items():
        assert KEY[:30] not in text, name
    assert written["rejected.jsonl"].count(MASK) >= 2
    assert written["quarantine.jsonl"].count(MASK) == 1
    assert KEY[:30] not in done.output
    assert KEY[:30].encode() not in (out / "labels.parquet").read_bytes()


def test_an_excerpt_ends_before_a_secret_that_goes_beyond_it() -> None:
    line = "x " * (EXCERPT_CHARS // 2 - 5) + KEY
    row = quarantined("rows.jsonl", 3, f"field: unexpected {KEY}", line.encode())
    assert len(row.excerpt) <= EXCERPT_CHARS
    assert KEY[:8] not in row.excerpt
    assert row.reason == f"field: unexpected {MASK}"


def test_the_rejected_table_masks_what_the_label_found_and_keeps_the_verifier(
    tmp_path: Path,
) -> None:
    verifier = PythonTests(tests=f"assert f() == '{KEY}'")
    candidate = Candidate(
        id="a", source="file:x", messages=(Message("user", f"Use {KEY}"),), completion=f"x = '{KEY}'", verifier=verifier,
    )  # fmt: skip
    fine = Label(True, "ok")
    secret = Label(False, "secret: github_token at character 5")
    labels = CriticLabels(
        "a", fine, Label(False, f"exception: {KEY}"), fine, fine, secret, fine, secret, "v"
    )
    with table_writer(tmp_path / "c.parquet", "candidates") as table:
        table.append(candidate.to_row())
    with table_writer(tmp_path / "l.parquet", "labels") as table:
        table.append(labels.to_row())
    (row,) = rejected_rows(tmp_path / "c.parquet", tmp_path / "l.parquet")
    kept = Candidate.from_row(row)
    assert kept.completion == f"x = '{MASK}'"
    assert kept.messages == (Message("user", f"Use {MASK}"),)
    assert kept.verifier == verifier
    assert row["tests_pass_reason"] == f"exception: {MASK}"


def test_a_programs_output_is_masked_in_its_verdict() -> None:
    code = f"def f():\n    raise ValueError('{KEY}')\n"
    (result,) = grade([Program(id="a", code=code, verifier=PythonTests(tests="assert f() == 1"))])
    assert result.code == "exception"
    assert KEY[:20] not in result.reason
    assert MASK in result.reason


def test_why_a_worker_gave_up_is_masked(tmp_path: Path) -> None:
    job = tmp_path / "job.json"
    write_failure(job, Failure(4, f"HTTP 401 for token {KEY}"))
    failure = read_failure(job)
    assert failure == Failure(4, f"HTTP 401 for token {MASK}")
    assert failure_of(RuntimeError(f"bad key {KEY}")).message == f"RuntimeError: bad key {MASK}"
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.exit('no access with {KEY}')"],
        stderr=subprocess.PIPE,
    )
    process.wait()
    assert stderr_tail(process) == f"no access with {MASK}"


def test_an_alert_is_masked_before_it_leaves() -> None:
    alert = Alert(
        key="k", kind="check_failed", recipe="tiny", title=f"tiny: {KEY}", body=f"seen: {KEY}", link="",
    )  # fmt: skip
    with webhook() as hook:
        assert send(hook.url, alert) is None
    (message,) = hook.got
    assert KEY not in json.dumps(message)
    assert message["message"] == f"seen: {MASK}"


def _sample(completion: str, outcome: Outcome) -> SampleScore:
    return SampleScore(
        task_id="t", category="code", family="functions", completion=completion, outcome=outcome,
        reason=f"exception: {KEY}", syntax_ok=True, stopped=True, tokens=9, seconds=1.0,
    )  # fmt: skip


def test_what_a_comparison_and_a_review_card_quote_of_an_answer_is_masked() -> None:
    answer = f"def f():\n    return '{KEY}'\n"
    _, (flip,) = compare(
        [_sample(answer, "fail")], [_sample("x = 1", "pass")], from_stage="base", to_stage="sft", suite="s",
    )  # fmt: skip
    assert flip[3:] == (answer.replace(KEY, MASK), "x = 1", f"exception: {MASK}")
    task = Task(
        id="t", suite="s", family="functions", category="code", messages=(Message("user", f"Use {KEY}."),),
        verifier=PythonTests(tests="assert f()"), reference="", composition="",
    )  # fmt: skip
    (record,) = failures([task], [_sample(answer, "fail")], Measured("r", "m", "m", "h", 0.0))
    assert KEY not in json.dumps(record.to_json())
    assert record.model_response == answer.replace(KEY, MASK)
