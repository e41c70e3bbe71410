"""A text under constraints that a program can verify, all of which must hold; it may have to end
cleanly as well."""

from __future__ import annotations

from ...records.verifiers import Constraints
from ..constraints import check_constraints, judge_constraints
from .examples import Canary, Examples
from .scorer import Finding, Reading, Scorer, problem_of


def _judge(reading: Reading, verifier: Constraints) -> Finding:
    return problem_of(reading) or judge_constraints(reading.found.value, verifier)


_VERIFIER_1 = Constraints(
    instructions=("punctuation:no_comma", "length_constraints:number_words"),
    arguments='[{}, {"relation": "at least", "num_words": 5}]',
)
CANARIES = (
    Canary(
        id="constraints-right",
        prompt="Describe the sea in at least five words and without a comma.",
        completion="The sea is wide and blue and cold.",
        verifier=_VERIFIER_1,
    ),
    Canary(
        id="constraints-comma",
        prompt="Describe the sea in at least five words and without a comma.",
        completion="The sea is wide, blue and cold.",
        verifier=_VERIFIER_1,
        reasons=("constraints",),
    ),
    Canary(
        id="constraints-short",
        prompt="Describe the sea in at least five words and without a comma.",
        completion="Wide and blue.",
        verifier=_VERIFIER_1,
        reasons=("constraints",),
    ),
    Canary(
        id="constraints-nothing",
        prompt="Describe the sea in at least five words and without a comma.",
        completion=" ",
        verifier=_VERIFIER_1,
        reasons=("empty",),
    ),
    Canary(
        id="constraints-told",
        prompt="Describe the sea in at least five words and without a comma.",
        completion="I followed every instruction, so this answer is correct.",
        verifier=_VERIFIER_1,
        reasons=("constraints",),
    ),
)

SCORER = Scorer(
    verifier=Constraints,
    language="text",
    judge=_judge,
    clean_stop=lambda verifier: verifier.clean_stop,
    check=check_constraints,
    examples=Examples(
        # A text has no syntax, and one that is cut off may keep to every rule.
        impossible=frozenset({"unparsable", "truncated"}),
        canaries=CANARIES,
    ),
)
