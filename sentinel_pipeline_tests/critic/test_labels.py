"""Scoring and labelling: order, three outcomes, reasons, the rule of ``accepted``; programs run in
the real sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentinel_pipeline.critic import score as score_module
from sentinel_pipeline.critic.entrypoint import called_name
from sentinel_pipeline.critic.labels import accepted, label
from sentinel_pipeline.critic.reading import guess_language
from sentinel_pipeline.critic.repair import repair_traces
from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.critic.scorers.python_tests import compose
from sentinel_pipeline.critic.version import label_version, version_of
from sentinel_pipeline.records import (
    Candidate,
    CriticLabels,
    JsonAnswer,
    JudgedAnswer,
    Label,
    Message,
    PatchApplies,
    PythonTests,
    RepairTrace,
    ShellEffect,
    TextAnswer,
    Verifier,
)
from sentinel_pipeline.sandbox import Outcome, Program, Result

ASK = (Message("user", "Write a function inc that adds one."),)
INC = PythonTests(tests="assert inc(1) == 2\nassert inc(-1) == 0", entry_point="inc")
GOOD = "def inc(x):\n    return x + 1\n"
DIFF = "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n+b\n"
PATCH = PatchApplies(files={"f": "a\n"}, expected={"f": "b\n"})
PREFIX = 'import math\n\n\ndef up(x):\n    """Round up."""\n'


def _candidate(
    completion: str,
    verifier: Verifier | None = INC,
    name: str = "1",
    ask: tuple[Message, ...] = ASK,
) -> Candidate:
    return Candidate(
        id=name, source="test", messages=ask, completion=completion, verifier=verifier, task_id="t"
    )


def _label(
    completion: str, verifier: Verifier | None = INC, ask: str = ASK[0].content
) -> CriticLabels:
    return next(label([_candidate(completion, verifier, ask=(Message("user", ask),))], workers=1))


def test_every_kind_is_scored_in_order_with_its_reason() -> None:
    items: list[tuple[str, Verifier, str, str, bool | None]] = [
        (GOOD, INC, "pass", "passed", True),
        ('{"a": 1}', JsonAnswer(expected='{"a": 1}'), "pass", "passed", True),
        ("def inc(x):\n    return x\n", INC, "fail", "assertion", True),
        ('{"a": 1.0}', JsonAnswer(expected='{"a": 1}'), "fail", "json_value", True),
        ("def inc(x)\n", INC, "fail", "syntax_error", False),
        (DIFF, PATCH, "pass", "passed", True),
        (DIFF.replace("+b", "+c"), PATCH, "fail", "files_differ", True),
        (DIFF.replace("-a", "-z"), PATCH, "fail", "hunk_mismatch", True),
        (
            "echo hi > out",
            ShellEffect(files={}, expected_files={"out": "hi\n"}),
            "pass",
            "passed",
            True,
        ),
        ("echo ho", ShellEffect(files={}, stdout="hi\n"), "fail", "output_differs", True),
        ("Ana", TextAnswer(accepted=("ana",)), "pass", "passed", None),
        ("while True: pass", PythonTests(tests="assert 1"), "fail", "timeout", True),
        ('{"a": 1} {"a": 2}', JsonAnswer(expected='{"a": 1}'), "fail", "several_values", True),
    ]
    found = list(score([Scorable(str(n), ASK, item[0], item[1]) for n, item in enumerate(items)]))
    assert [one.id for one in found] == [str(n) for n in range(len(items))]
    assert [(one.outcome, one.reason.partition(":")[0], one.syntax_ok) for one in found] == [
        item[2:] for item in items
    ]


class _Broken:
    """A grader whose machine fails at every program."""

    def __init__(self, **_: object) -> None:
        self.taken = 0

    def grade(self, programs: Iterator[Program]) -> Iterator[Result]:
        for program in programs:
            yield Result(
                id=program.id,
                outcome=Outcome.INFRA,
                code="infra",
                detail="worker died",
                trust="separate",
                cpu_seconds=0,
                wall_seconds=0,
            )

    def close(self) -> None:
        pass


def test_infrastructure_is_never_a_score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_module, "Grader", _Broken)
    found = next(score([Scorable("1", ASK, GOOD, INC)]))
    assert (found.outcome, found.reason, found.syntax_ok) == ("infra", "infra: worker died", None)
    labels = _label(GOOD)
    assert labels.tests_pass == (None, "infra: worker died")
    assert labels.accepted == (None, "infra: worker died")


def test_a_row_that_fails_elsewhere_is_rejected_whatever_infrastructure_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(score_module, "Grader", _Broken)
    assert _label(GOOD + "# \ufffd").accepted == (False, "rejected: no_repetition")


def test_scoring_streams_and_starts_no_sandbox_without_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(score_module, "Grader", None)
    taken = []

    def items() -> Iterator[Scorable]:
        for number in range(10_000):
            taken.append(number)
            yield Scorable(str(number), ASK, "1", JsonAnswer(expected="1"))

    stream = score(items())
    assert next(stream).outcome == "pass"
    assert len(taken) <= score_module.SEGMENT + 1


@pytest.mark.parametrize(
    ("completion", "name", "code"),
    [
        ("def inc(x)\n    return 1", "syntax_pass", "syntax_error"),
        ("def inc(x):\n    return x", "tests_pass", "assertion"),
        ("def add(x):\n    return x + 1", "entrypoint_match", "missing_entry_point"),
        ("def inc(x):\n    pass", "entrypoint_match", "stub_body"),
        (
            f"Sure, here is what you asked for:\n{GOOD}\n\nTell me if it is not right.",
            "format_pass",
            "prose_around",
        ),
        (f"```python\n{GOOD}", "format_pass", "unclosed_fence"),
        (GOOD + "<|im_end|>\nuser: more", "format_pass", "after_stop"),
        (GOOD + "KEY = '" + "AK" + "IAQ3EGRZ7XKW2MNPLA'", "no_secret", "secret"),
        (GOOD + "    return x + 1\n" * 30, "no_repetition", "line_loop"),
        ("", "format_pass", "empty"),
    ],
)
def test_each_defect_fails_its_label_with_its_code(completion: str, name: str, code: str) -> None:
    labels = _label(completion)
    found: Label = getattr(labels, name)
    assert (found.value, found.code) == (False, code)
    assert labels.accepted.value is False and name in labels.accepted.reason


def test_a_verified_row_is_accepted_with_all_reasons() -> None:
    labels = _label(GOOD)
    assert labels.accepted == (True, "verified")
    assert [one.value for one in labels[1:7]] == [True] * 6
    assert labels.scorer_version == label_version()


def test_fenced_code_with_prose_is_kept_unless_only_code_was_asked() -> None:
    text = f"Here:\n```python\n{GOOD}```"
    assert _label(text).format_pass.value is True
    assert (
        _label(text, ask="Write inc. Reply with only the code.").format_pass.code == "prose_around"
    )


def test_a_row_without_checks_is_judged_by_form_and_hygiene() -> None:
    labels = _label(
        "Water boils at lower temperatures on mountains.",
        None,
        "Why does tea taste odd on mountains?",
    )
    assert labels.accepted == (True, "unverified: judged by form and hygiene")
    assert [labels.syntax_pass.code, labels.tests_pass.code, labels.entrypoint_match.code] == [
        "not_applicable"
    ] * 3


def test_a_prompts_signature_is_held_without_a_verifier() -> None:
    ask = "Complete in Python:\ndef scale(xs, factor):\n"
    assert _label("def scale(xs):\n    return xs", None, ask).entrypoint_match.code == "signature"
    assert _label("def scale(a, b=2):\n    return a", None, ask).entrypoint_match.value is True


@pytest.mark.parametrize("value", [(True, True, None), (None, None, True)])
def test_accepted_needs_some_evidence(value: tuple[bool | None, ...]) -> None:
    syntax, tests, form = (Label(one, "x") for one in value)
    rest = (Label(None, "x"), Label(True, "ok"), Label(True, "ok"))
    assert accepted(syntax, tests, rest[0], form, *rest[1:]).value is True
    nothing = Label(None, "not_applicable")
    assert accepted(nothing, nothing, nothing, nothing, *rest[1:]).code == "no_evidence"


@pytest.mark.parametrize(
    ("completion", "program"),
    [
        ("    return math.ceil(x)", PREFIX + "    return math.ceil(x)"),
        ("def up(x):\n    return math.ceil(x)", PREFIX + "\n\ndef up(x):\n    return math.ceil(x)"),
        (
            "from __future__ import annotations\ndef up(x): ...",
            "from __future__ import annotations\ndef up(x): ...",
        ),
    ],
)
def test_a_prefix_is_continued_or_stands_before_a_whole_program(
    completion: str, program: str
) -> None:
    assert compose(completion, PythonTests(tests="", entry_point="up", prefix=PREFIX)) == program


@pytest.mark.parametrize(
    ("tests", "name"),
    [
        ("assert f(1) == 2\nassert f(2) == 3", "f"),
        ("assert set(f(1)) == {1}", "f"),
        ("assert f(1)\nassert g(1)", None),
        ("def check(c):\n    assert c(1)", None),
        ("not python", None),
    ],
)
def test_the_entry_point_that_tests_call(tests: str, name: str | None) -> None:
    assert called_name(tests) == name


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (GOOD, "python"),
        (DIFF, "diff"),
        ('{"a": 1}', "json"),
        ("```sql\nselect 1\n```", "sql"),
        ("select a from t", "sql"),
        ("Paris", "text"),
        ("import the goods first", "text"),
        ("cut -d, -f1 a.csv | sort", "shell"),
        ("find out more", "text"),
        ("```typescript\nlet x = 1\n```", "typescript"),
        ("#!/bin/bash\nls", "shell"),
    ],
)
def test_languages_are_guessed_by_evidence(text: str, language: str) -> None:
    assert guess_language(text) == language


def test_the_version_follows_meaning_not_comments(tmp_path: Path) -> None:
    module = tmp_path / "a.py"

    def version(source: str) -> str:
        module.write_text(source)
        return version_of(["a"], tmp_path)

    first = version('"""A."""\nx = 1\n')
    assert version('"""B, told better."""\n\n# why\nx = 1\n"""Field."""\n') == first
    assert version('"""A."""\nx = 2\n') != first


def test_the_version_counts_the_judge_s_javascript(tmp_path: Path) -> None:
    """The sandbox's scripts decide verdicts as its modules do."""
    module = tmp_path / "a.js"
    (tmp_path / "a.py").write_text("run = 'a.js'\n")
    versions = set()
    for source in ("x = 1;", "x = 2;"):
        module.write_text(source)
        versions.add(version_of(["a"], tmp_path))
    assert len(versions) == 2


def _traces(*failed: str, answer: str = GOOD) -> list[RepairTrace]:
    rejected = [_candidate(text, name=str(n)) for n, text in enumerate(failed)]
    good = _candidate(answer, name="good")
    return list(
        repair_traces(
            (one, labels, good) for one, labels in zip(rejected, label(rejected, workers=1))
        )
    )


def test_a_repair_trace_tells_the_failure_and_ends_right() -> None:
    [trace] = _traces("def inc(x):\n    return x")
    assert trace.completion == GOOD and (trace.failed_id, trace.accepted_id) == ("0", "good")
    assert [turn.role for turn in trace.messages] == ["user", "assistant", "user"]
    assert trace.reason.startswith("tests_pass: assertion")
    assert "inc(1)" in trace.messages[-1].content


def test_a_trace_never_quotes_a_secret() -> None:
    key = "AK" + "IAQ3EGRZ7XKW2MNPLA"
    [trace] = _traces(GOOD + f"KEY = '{key}'")
    assert key not in json.dumps(trace.to_row()) and "[REDACTED]" in trace.messages[1].content


def test_accepted_loops_and_empty_answers_make_no_trace() -> None:
    assert _traces(GOOD, "", "x\n" * 9000, "    return x + 1\n" * 40, "a\x00") == []


def test_what_a_judge_would_have_to_judge_is_looked_at_for_form_and_hygiene() -> None:
    found = _label(
        "Thank you for asking; it opens at nine.",
        JudgedAnswer(rubric="Polite."),
        "When does it open?",
    )
    assert found.accepted.value is True and found.tests_pass.value is None
    assert _label("so on " * 300, JudgedAnswer(), "When does it open?").accepted.value is False


def test_a_label_says_that_its_tests_ran_beside_the_program(tmp_path: Path) -> None:
    code = "class P:\n    pass\ndef f(x):\n    return x + 1\n"
    rows = [
        Candidate(
            id=str(place),
            source="file:a",
            messages=(Message("user", "Write f."),),
            completion=code,
            verifier=PythonTests(tests=tests, entry_point="f"),
        )
        for place, tests in enumerate(
            ("assert f(1) == 2", "class Q(P): pass\nassert Q() and f(1) == 2")
        )
    ]
    labels = list(label(rows))
    reasons = [each.tests_pass.reason for each in labels]
    assert reasons == ["passed", "passed: shared trust, the tests ran beside the program"]
    assert [each.tests_pass.code for each in labels] == ["passed", "passed"]
