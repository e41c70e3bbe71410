"""An answer that only a reader can judge: here it has no verdict, ``llm_judge`` asks a licensed
model."""

from __future__ import annotations

from ...records.verifiers import JudgedAnswer
from .examples import Examples
from .scorer import Scorer, Unjudged

UNJUDGED = "infra: no judge was asked"

SCORER = Scorer(
    verifier=JudgedAnswer,
    language="text",
    judge=lambda reading, verifier: Unjudged(UNJUDGED),
    examined=False,
    examples=Examples(),
)
