"""The scorers' modules: one for each kind, complete, and a new one takes at most three files."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest

import sentinel_pipeline
from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.critic.scorers import SCORERS
from sentinel_pipeline.critic.scorers.examples import Examples
from sentinel_pipeline.critic.scorers.scorer import Scorer
from sentinel_pipeline.records import Message, verifier_from_json, verifier_to_json
from sentinel_pipeline.records.verifiers import Executable, Verifier

PACKAGE = Path(sentinel_pipeline.__file__).parent
EXAMINED = [scorer for scorer in SCORERS.values() if scorer.examined]
NAMES = [scorer.verifier.__name__ for scorer in SCORERS.values()]


def test_every_kind_of_the_union_has_the_scorer_of_its_module_and_no_other_module_is_there() -> (
    None
):
    assert list(SCORERS) == list(get_args(Verifier))
    assert all(scorer.verifier is verifier for verifier, scorer in SCORERS.items())
    modules = {path.stem for path in (PACKAGE / "critic/scorers").glob("*.py")}
    assert modules - {verifier.kind for verifier in SCORERS} == {"__init__", "scorer", "examples"}


def test_what_runs_something_has_a_judge_in_the_sandbox_by_the_name_of_its_kind() -> None:
    judges = PACKAGE / "sandbox/judge"
    assert all((judges / f"{verifier.kind}.py").is_file() for verifier in get_args(Executable))


def test_each_canary_is_of_its_modules_kind_and_travels_as_json() -> None:
    canaries = [
        (scorer, canary) for scorer in SCORERS.values() for canary in scorer.examples.canaries
    ]
    assert len(canaries) == 77
    for scorer, canary in canaries:
        assert type(canary.verifier) is scorer.verifier
        assert verifier_from_json(verifier_to_json(canary.verifier)) == canary.verifier


@pytest.mark.parametrize("scorer", EXAMINED, ids=lambda scorer: scorer.verifier.kind)
def test_a_scorers_own_canaries_are_judged_as_they_say(scorer: Scorer[Verifier]) -> None:
    canaries = scorer.examples.canaries
    items = [
        Scorable(canary.id, (Message("user", canary.prompt),), canary.completion, canary.verifier)
        for canary in canaries
    ]
    for canary, result in zip(canaries, score(items), strict=True):
        if canary.reasons:
            assert (result.outcome, result.reason.partition(":")[0] in canary.reasons) == (
                "fail",
                True,
            ), result
        else:
            assert result.outcome == "pass", result


@pytest.mark.parametrize("scorer", EXAMINED, ids=lambda scorer: scorer.verifier.kind)
def test_no_hack_and_no_empty_answer_passes_the_scorers_own_canaries(
    scorer: Scorer[Verifier],
) -> None:
    canaries = scorer.examples.canaries
    right = [canary for canary in canaries if not canary.reasons]
    hacks = [
        (canary.verifier, name, text)
        for canary in right
        for name, text in scorer.examples.hacks(canary.completion, canary.verifier).items()
    ]
    empty = [(canary.verifier, "empty", "") for canary in canaries]
    items = [
        Scorable(f"{at}/{name}", (), text, verifier)
        for at, (verifier, name, text) in enumerate([*empty, *hacks])
    ]
    assert {result.outcome for result in score(items)} <= {"fail"}


def test_the_default_examples_are_those_of_text() -> None:
    examples: Examples[Any] = Examples()
    assert examples.wrong("x", None, Random(1)).endswith(".")
    assert (examples.hacks("x", None), examples.whole("x", None)) == ({}, False)
    assert examples.with_secret("x", None, "s") == "x\ns"


def _kinds_dispatched(path: Path) -> set[str]:
    """Classes of verifiers that a module asks for with ``isinstance``, or has as a table's keys."""
    kinds: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        tables: list[ast.AST] = []
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            tables = [node.args[1]]
        elif isinstance(node, ast.Dict):
            tables = [key for key in node.keys if key is not None]
        for table in tables:
            kinds |= {each.id for each in ast.walk(table) if isinstance(each, ast.Name)}
    return kinds & set(NAMES)


def test_no_module_but_their_own_tells_two_kinds_apart() -> None:
    tellers = {
        path.relative_to(PACKAGE).as_posix(): kinds
        for path in PACKAGE.rglob("*.py")
        if len(kinds := _kinds_dispatched(path)) > 1
    }
    assert tellers == {}


TOY_RECORD = '''
@dataclass(frozen=True, slots=True, kw_only=True)
class PrintsWords:
    """A Python program that prints the words."""

    kind: ClassVar[str] = "prints_words"
    category: ClassVar[str] = "executable_code"
    words: tuple[str, ...]


'''
TOY_SCORER = '''"""Programs that print words."""

from ...records.verifiers import PrintsWords
from .examples import Canary, Defect, Examples
from .scorer import Scorer, run_program

ASKED = PrintsWords(words=("a", "b"))
SCORER = Scorer(
    verifier=PrintsWords,
    language="python",
    judge=run_program,
    examples=Examples(
        wrong=lambda reference, verifier, rng: "print('c')",
        hacks=lambda reference, verifier: {"no_words": "print()"},
        defects={"shouts": Defect(lambda text, verifier, rng: text.upper(), lambda *_: True)},
        canaries=(
            Canary("prints-right", "Print a b.", "print('a b')", ASKED),
            Canary("prints-c", "Print a b.", "print('c')", ASKED, ("output_differs",)),
        ),
    ),
)
'''
TOY_JUDGE = '''"""Judging printed words."""

from ...records.verifiers import StdioTests
from . import stdio_tests

GUEST = "python"


def judge(code, verifier, limits, zygote, tools):
    printed = StdioTests(inputs=("",), outputs=(" ".join(verifier.words),))
    return stdio_tests.judge(code, printed, limits, zygote, tools)
'''
TOY_USE = """
import json, sys
from pathlib import Path
from random import Random
from sentinel_pipeline.audit.reward_cases import cases
from sentinel_pipeline.audit.exam import Material
from sentinel_pipeline.audit.scorers import SCORERS, audit, verifier_exams
from sentinel_pipeline.audit.canaries import read_canaries
from sentinel_pipeline.candidates.corrupt import defects_of, plant
from sentinel_pipeline.critic.labels import label
from sentinel_pipeline.critic.version import scorer_version
from sentinel_pipeline.critic.reading import quality_of
from sentinel_pipeline.mix.categories import category_of
from sentinel_pipeline.mix.row_reading import RowReading
from sentinel_pipeline.records import Candidate, Message, Task, verifier_from_json
from sentinel_pipeline.rewards.scoring import Scoring, reward_of

text = '{"kind": "prints_words", "words": ["a", "b"]}'
verifier = verifier_from_json(text)
ask = (Message("user", "Print a b."),)
task = Task(id="t", suite="s", family="toy", category="executable_code", messages=ask,
            verifier=verifier, reference="print('a b')")
row = Candidate(id="c", source="x", messages=ask, completion="print('a b')", verifier=verifier)
scoring = Scoring()
exams = [exam for exam in verifier_exams(Material([task], read_canaries(Path(sys.argv[1]))))
         if exam.scorer == "prints_words"]
print(json.dumps({
    "accepted": [labels.accepted.value for labels in label([row])],
    "shouted": [labels.tests_pass.value for labels in
                label([plant(task, "shouts", Random(1))])],
    "rewards": [reward_of(one.score) for one in
                scoring.judge(["print('a b')", "print('c')"], [text] * 2)],
    "mix": [category_of(RowReading(row)).category, quality_of(row)],
    "defects": "shouts" in defects_of(task),
    "cases": sorted({case.name for case in cases([task])} & {"wrong", "no_words"}),
    "examined": "prints_words" in SCORERS,
    "exam": [[answer.accepted, answer.codes == frozenset({"output_differs"})]
             for exam in exams for answer in exam.grade([each.item for each in exam.questions])],
    "version": scorer_version(),
}))
scoring.close()
"""


def _judged(package: Path) -> str:
    canaries = PACKAGE.parent / "data/canaries"
    done = subprocess.run(
        [sys.executable, "-c", TOY_USE, str(canaries)],
        cwd=package.parent,
        env={"PYTHONPATH": str(package.parent), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_new_scorer_that_runs_something_is_three_files_for_everything_that_uses_scorers(
    tmp_path: Path,
) -> None:
    package = tmp_path / "sentinel_pipeline"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = {path: path.read_bytes() for path in package.rglob("*") if path.is_file()}
    verifiers = package / "records/verifiers.py"
    source = verifiers.read_text().replace(
        "Executable = PythonTests", f"{TOY_RECORD}Executable = PrintsWords | PythonTests"
    )
    verifiers.write_text(
        source.replace(
            "Verifier = (\n    PythonTests", "Verifier = (\n    PrintsWords | PythonTests"
        )
    )
    (package / "critic/scorers/prints_words.py").write_text(TOY_SCORER)
    (package / "sandbox/judge/prints_words.py").write_text(TOY_JUDGE)
    touched = [
        path
        for path in package.rglob("*")
        if path.is_file() and before.get(path) != path.read_bytes()
    ]
    assert len(touched) == 3
    results = json.loads(_judged(package))
    version = results.pop("version")
    assert version.startswith("v-")
    assert results == {
        "accepted": [True],
        "shouted": [False],
        "rewards": [1.0, 0.0],
        "mix": ["executable_code", "verified"],
        "defects": True,
        "cases": ["no_words", "wrong"],
        "examined": True,
        "exam": [[True, False], [True, False], [False, True]],
    }
