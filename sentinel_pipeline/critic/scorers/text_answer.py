"""A short answer in words: one of the accepted ones, or the facts that it must and must not
hold."""

from __future__ import annotations

from ...records.verifiers import TextAnswer
from ..formats import judge_text
from .examples import Canary, Examples
from .scorer import Finding, Reading, Scorer, problem_of


def _judge(reading: Reading, verifier: TextAnswer) -> Finding:
    return problem_of(reading) or judge_text(reading.found.value, verifier)


_VERIFIER_1 = TextAnswer(
    accepted=("Lisbon", "Lisboa"),
)
_VERIFIER_2 = TextAnswer(
    must_contain=("seven",),
    must_not_contain=("eight",),
)
CANARIES = (
    Canary(
        id="text-wrong",
        prompt="What is the capital of Portugal? One word.",
        completion="Porto",
        verifier=_VERIFIER_1,
        reasons=("text_answer",),
    ),
    Canary(
        id="text-both",
        prompt="What is the capital of Portugal? One word.",
        completion="Lisbon or Porto",
        verifier=_VERIFIER_1,
        reasons=("text_answer",),
    ),
    Canary(
        id="fact-missing",
        prompt="In a sentence: how many days has a week?",
        completion="A week has some days.",
        verifier=_VERIFIER_2,
        reasons=("missing_fact",),
    ),
    Canary(
        id="fact-unwanted",
        prompt="In a sentence: how many days has a week?",
        completion="A week has seven or eight days.",
        verifier=_VERIFIER_2,
        reasons=("unwanted_text",),
    ),
    Canary(
        id="fact-inside-a-word",
        prompt="In a sentence: how many days has a week?",
        completion="A week has seventy days.",
        verifier=_VERIFIER_2,
        reasons=("missing_fact",),
    ),
)

SCORER = Scorer(
    verifier=TextAnswer,
    language="text",
    quotes=True,
    judge=_judge,
    examples=Examples(
        whole=lambda text, verifier: text.strip() in verifier.accepted,
        impossible=frozenset({"unparsable"}),
        canaries=CANARIES,
    ),
)
