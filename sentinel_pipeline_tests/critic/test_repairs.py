"""Repair traces from every source: pairs, human corrections, self-repair; only a failed start and
an accepted end make one."""

from __future__ import annotations

from sentinel_pipeline.candidates.pairs import to_candidates
from sentinel_pipeline.critic.labels import label
from sentinel_pipeline.critic.repair import repair_traces
from sentinel_pipeline.critic.self_repair import SUITE, repair_tasks, self_repairs
from sentinel_pipeline.records import Candidate, CriticLabels, Message, PythonTests, RepairTrace
from sentinel_pipeline.records.data_spec import CriticSpec

INC = PythonTests(tests="assert inc(1) == 2\nassert inc(-1) == 0", entry_point="inc")
GOOD, BAD = "def inc(x):\n    return x + 1\n", "def inc(x):\n    return x\n"
TESTS = ["assert inc(1) == 2", "assert inc(-1) == 0"]


def _traces(row: dict[str, object]) -> tuple[list[RepairTrace], list[CriticLabels]]:
    rows = to_candidates(row, source="human", file="f", line=1)
    labels = list(label(rows, workers=1))
    both = list(zip(rows, labels, strict=True))
    good = {row.id: row for row, one in both if one.accepted.value}
    failed = [
        (row, one) for row, one in both if not one.accepted.value and row.corrected_by in good
    ]
    return list(
        repair_traces((row, one, good[str(row.corrected_by)]) for row, one in failed)
    ), labels


def test_a_human_correction_with_tests_becomes_a_trace() -> None:
    [trace], _ = _traces(
        {"prompt": "Write inc.", "response": BAD, "correction": GOOD, "tests": TESTS}
    )
    assert trace.completion == GOOD and trace.reason.startswith("tests_pass: assertion")
    assert [turn.role for turn in trace.messages] == ["user", "assistant", "user"]


def test_without_tests_the_source_is_believed_and_the_failed_half_is_never_accepted() -> None:
    row: dict[str, object] = {
        "prompt": "Why is the sky blue?",
        "rejected": "It mirrors the sea.",
        "chosen": "Air scatters blue light most.",
    }
    [trace], labels = _traces(row)
    assert labels[0].accepted == (False, "corrected: the source holds a correction of this answer")
    assert trace.messages[-1].content == "It is not what was wanted. Correct it."
    assert trace.reason.startswith("accepted: corrected")


def test_a_correction_that_fails_or_a_start_that_passes_makes_no_trace() -> None:
    assert (
        _traces(
            {
                "prompt": "Write inc.",
                "response": BAD,
                "correction": BAD + "# better\n",
                "tests": TESTS,
            }
        )[0]
        == []
    )
    assert (
        _traces(
            {
                "prompt": "Write inc.",
                "response": GOOD,
                "correction": GOOD + "# nicer\n",
                "tests": TESTS,
            }
        )[0]
        == []
    )


def _failures() -> list[tuple[Candidate, CriticLabels]]:
    ask = (Message("user", "Write inc."),)
    rows = [
        Candidate(
            id=name, source="model:x", messages=ask, completion=text, verifier=verifier, task_id="t"
        )
        for name, text, verifier in [
            ("1", BAD, INC),
            ("2", "def inc(x)\n", INC),
            ("3", "x\n" * 400, INC),
            ("4", "\ufffd", None),
        ]
    ]
    return list(zip(rows, label(rows, workers=1), strict=True))


def test_self_repair_shows_the_error_and_keeps_only_what_the_critic_accepts() -> None:
    failures = _failures()
    tasks = list(repair_tasks(failures, 10))
    assert [task.id for task in tasks] == ["1", "2"] and {task.suite for task in tasks} == {SUITE}
    shown = [turn.content for turn in tasks[0].messages]
    assert shown[1] == BAD and "inc(1)" in shown[2] and shown[2].endswith("Correct it.")
    answers = {"1": GOOD, "2": "def inc(x):\n    return x + 2\n"}
    [trace] = self_repairs(failures, answers, spec=CriticSpec(workers=1))
    assert (trace.failed_id, trace.completion) == ("1", GOOD)
    assert trace.messages == tasks[0].messages, "the model learns from what it was shown"
    assert list(repair_tasks(failures, 0)) == []
