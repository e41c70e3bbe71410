"""What the texts about records earn: dishonest ones of eight kinds, references in another order,
references, and honest ones in other wordings.

``python -m benchmarks.grounded`` fills each text of ``sentinel_pipeline_tests.critic`` with the
facts of six generated records and prints a table in Markdown: of dishonest texts those with any
credit, of honest ones those with all of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from sentinel_pipeline.critic.grounded import judge_grounded
from sentinel_pipeline.records import GroundedText
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline_tests.critic import portuguese_texts as texts
from sentinel_pipeline_tests.critic.test_claims import Filled, a_push, an_insight, graded

TASKS = 148
SHUFFLES = 5


def main() -> None:
    rows = [
        ["dishonest, paid"],
        ["dishonest, written apart, paid"],
        ["references in another order, paid"],
        ["references, full credit"],
        ["honest, full credit"],
        ["honest, written apart, full credit"],
    ]
    kinds: list[
        tuple[str, Callable[[int], Filled], list[dict[str, tuple[str, ...]]], list[tuple[str, ...]]]
    ] = [
        (
            "insights",
            an_insight,
            [texts.INSIGHT_ATTACKS, texts.INSIGHT_ATTACKS_APART],
            [texts.INSIGHTS, texts.INSIGHTS_APART],
        ),
        (
            "push",
            a_push,
            [texts.PUSH_ATTACKS, texts.PUSH_ATTACKS_APART],
            [texts.PUSH, texts.PUSH_APART],
        ),
    ]
    for family, fill, dishonest, honest in kinds:
        for row, attacks in zip(rows[:2], dishonest, strict=True):
            results = [each for forms in attacks.values() for each in graded(fill, forms)]
            row.append(_count(sum(credit > 0 for credit, _, _ in results), len(results)))
        tasks = build(9, {family: TASKS}, {}).train
        paid = 0
        right = 0
        for task in tasks:
            assert isinstance(task.verifier, GroundedText)
            right += judge_grounded(task.reference, task.verifier).credit == 1
            for seed in range(SHUFFLES):
                answer = shuffled(task.reference, task.verifier, seed)
                paid += judge_grounded(answer, task.verifier).credit > 0
        rows[2].append(_count(paid, TASKS * SHUFFLES))
        rows[3].append(_count(right, TASKS))
        for row, forms in zip(rows[4:], honest, strict=True):
            results = graded(fill, forms)
            row.append(_count(sum(credit == 1 for credit, _, _ in results), len(results)))
    print("| texts | insights | push |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def shuffled(reference: str, verifier: GroundedText, seed: int) -> str:
    """The reference's words in another order, its facts whole."""
    text = reference
    facts = {f"fact{at}": fact for at, fact in enumerate(verifier.must_mention)}
    for unit, fact in facts.items():
        text = text.replace(fact, unit)
    words = re.findall(r"\w+", text)
    Random(f"{reference}|{seed}").shuffle(words)
    return " ".join(facts.get(word, word) for word in words) + "."


def _count(number: int, total: int) -> str:
    return f"{number} of {total}"


if __name__ == "__main__":
    main()
