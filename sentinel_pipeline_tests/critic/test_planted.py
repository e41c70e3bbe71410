"""The critic's own precision and recall, counted: planted rows, right ones of the same making,
library code, references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from sentinel_pipeline.critic.labels import label
from sentinel_pipeline.records import Candidate, CriticLabels, Label
from sentinel_pipeline.tasks.suites import load_suite
from sentinel_pipeline_tests.critic.planted import KINDS, clean, planted, right


def _said(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n  {text}")


def test_planted_rows_are_refused_for_the_right_reason(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(planted())
    found = list(label([row.candidate for row in rows]))
    passed = Counter(
        row.kind for row, one in zip(rows, found, strict=True) if one.accepted.value is not False
    )
    wrong = [
        (row.kind, reason)
        for row, one in zip(rows, found, strict=True)
        if (reason := _other_reason(getattr(one, row.label), row.codes))
    ]
    recall, right_reason = 1 - passed.total() / len(rows), 1 - len(wrong) / len(rows)
    _said(
        capsys,
        f"planted: {len(rows)} rows, {len(KINDS)} kinds: recall {recall:.4f}, right reason {right_reason:.4f}",
    )
    assert len(rows) >= 500 and len(KINDS) >= 25
    assert recall >= 0.99, passed
    assert right_reason >= 0.98, wrong[:10]


def _other_reason(got: Label, codes: tuple[str, ...]) -> str | None:
    expected = got.value is False and (not codes or got.reason.startswith(codes))
    return None if expected else f"{got.value} {got.reason}"


def test_what_a_plant_is_made_from_is_accepted() -> None:
    found = Counter(one.accepted for one in label(right()))
    assert found == {Label(True, "verified"): 100}


def test_clean_library_code_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    rows = clean()
    refused = _refused(rows, list(label(rows)))
    _said(
        capsys,
        f"clean: {len(rows)} library definitions: {len(refused)} false rejects ({len(refused) / len(rows):.4f})",
    )
    assert len(rows) >= 2000
    assert len(refused) <= 0.005 * len(rows), refused


def _refused(rows: Sequence[Candidate], found: Sequence[CriticLabels]) -> list[str]:
    return [
        f"{row.completion[:60]!r}: {one.accepted}"
        for row, one in zip(rows, found, strict=True)
        if not one.accepted.value
    ]


@pytest.mark.parametrize(("suite", "least"), [("mbpp", 0.995), ("humaneval", 1.0)])
def test_references_keep_their_labels(
    suite: str,
    least: float,
    benchmarks_dir: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SENTINEL_BENCHMARKS", str(benchmarks_dir))
    tasks = load_suite(suite)
    rows = [
        Candidate(
            id=task.id,
            source="reference",
            messages=task.messages,
            completion=task.reference,
            verifier=task.verifier,
        )
        for task in tasks
    ]
    found = list(label(rows))
    rates = {}
    for name in (
        "syntax_pass",
        "entrypoint_match",
        "no_secret",
        "no_repetition",
        "format_pass",
        "tests_pass",
    ):
        values = [getattr(one, name) for one in found]
        applies = [value for value in values if value.code != "not_applicable"]
        rates[name] = sum(value.value is True for value in applies) / len(applies)
        bar = least if name == "tests_pass" else 0.995
        assert rates[name] >= bar, (
            name,
            [(one.id, value) for one, value in zip(found, values) if value.value is False],
        )
    _said(
        capsys,
        f"{suite}: {len(rows)} references: "
        + ", ".join(f"{name} {rate:.4f}" for name, rate in rates.items()),
    )
