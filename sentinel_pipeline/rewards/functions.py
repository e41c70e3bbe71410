"""Reward functions as TRL calls them: picklable objects with a stable ``__name__``, None where a
row is another family's.

A family's reward is one function, whose weight is 1; its parts (``extraction_schema``,
``sql_qa_runs`` …) are functions of weight 0, which TRL logs and does not add. A row that has no
score is None to all of them, so that TRL leaves it out of its group instead of counting it as zero.
Whether an answer is right is asked of the answer; the part ``FAMILY_thought``, which counts where
the recipe weighs it, is asked of thought and answer, and ``max_completion_length`` bounds both
together. What this module does not do: score (``Scoring`` does, once for all of them).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..critic.score import Score
from ..critic.thoughts import with_thought
from ..errors import BadInput
from ..records import Task, verifier_to_json
from .scoring import Judged, Scoring, reward_of

_TEXT_PARTS = (
    "length", "language", "grounded", "original", "coherent", "affirmed", "proper", "facts", "action",
)  # fmt: skip
PARTS: dict[str, tuple[str, ...]] = {
    "extraction": ("parsed", "strict", "schema", "values"),
    "sql_qa": ("parses", "runs"),
    "insights": _TEXT_PARTS,
    "push": _TEXT_PARTS,
}
"""Family -> its parts; of any other family ``parses`` alone."""
THOUGHT = "thought"
"""A part that any family has where ``weights`` names it: 1 where a thought came first, ended, and
an answer followed."""
_RAN = ("passed", "output_differs")


def training_rows(tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """Rows of a GRPO data set: ``prompt`` turns, and the columns that the rewards read."""
    return [
        {
            "prompt": [turn.to_dict() for turn in task.messages],
            "family": task.family,
            "verifier": verifier_to_json(task.verifier),
            "task_id": task.id,
            "reference": task.reference,
        }
        for task in tasks
    ]


def text_of(completion: Any) -> str:
    """A completion as TRL hands it over: text, or a list of turns whose last is the answer; a
    thought in a field of its own stands before it."""
    if isinstance(completion, str):
        return completion
    last = completion[-1]
    return with_thought(str(last.get("reasoning_content") or ""), str(last.get("content") or ""))


@dataclass(slots=True)
class Reward:
    """What both kinds share. Called with lists of equal length; unknown columns are passed over."""

    family: str
    scoring: Scoring = field(default_factory=Scoring, compare=False)
    opened: str = field(default="", kw_only=True)
    """The tag by which the chat template opens a thought: a completion then begins within it."""

    def __call__(
        self,
        completions: Sequence[Any],
        *,
        family: Sequence[str],
        verifier: Sequence[str],
        **_: Any,
    ) -> list[float | None]:
        texts = [self.opened + text_of(completion) for completion in completions]
        judged = self.scoring.judge(texts, verifier)
        return [
            self._value(judged_answer) if mine == self.family else None
            for judged_answer, mine in zip(judged, family, strict=True)
        ]

    def _value(self, judged: Judged) -> float | None:
        return None if judged.score is None else self.value(judged.score)

    @property
    def __name__(self) -> str:
        """What TRL logs it as."""
        return self.family

    def value(self, score: Score) -> float | None:
        raise NotImplementedError


@dataclass(slots=True)
class TaskReward(Reward):
    """A family's reward in [0, 1]: 1 exactly when the benchmark's scorer passes the answer."""

    def value(self, score: Score) -> float | None:
        return reward_of(score)


@dataclass(slots=True)
class PartReward(Reward):
    """One part of a family's reward, for the log; None where the answer did not come so far."""

    part: str = "parses"

    @property
    def __name__(self) -> str:
        return f"{self.family}_{self.part}"

    def value(self, score: Score) -> float | None:
        if self.part == THOUGHT:
            thought = score.evidence.get("thought")
            return float(bool(thought and thought["finished"] and thought["answer_chars"]))
        if self.part == "parses":
            return None if score.syntax_ok is None else float(score.syntax_ok)
        if self.part == "runs":
            return float(score.reason.partition(":")[0] in _RAN)
        parts: dict[str, float] = score.evidence.get("parts", {})
        return parts.get(self.part)


def reward_functions(
    families: Iterable[str],
    scoring: Scoring,
    weights: dict[str, float] | None = None,
    opened: str = "",
    others: Iterable[str] = (),
) -> tuple[list[Reward], list[float]]:
    """The rewards of ``families`` and their weights, in TRL's order: a family 1 and a part 0,
    unless ``weights`` says otherwise; ``opened`` is the tag of a thought that the chat template
    opens. ``others`` are names of rewards that are not made here.

    Raises:
        BadInput: ``weights`` names no reward, or one of ``others`` is called like one of these.
    """
    chosen = weights or {}
    rewards: list[Reward] = []
    for family in dict.fromkeys(families):
        rewards.append(TaskReward(family, scoring))
        rewards += [PartReward(family, scoring, part) for part in PARTS.get(family, ("parses",))]
        if f"{family}_{THOUGHT}" in chosen:
            rewards.append(PartReward(family, scoring, THOUGHT))
    for reward in rewards:
        reward.opened = opened
    known_names = [reward.__name__ for reward in rewards]
    for name in others:
        if name in known_names:
            raise BadInput(
                f"{name!r} is the name of a task family's reward.",
                field="grpo.reward",
                fix="Give yours another name.",
            )
    unknown = set(chosen) - {*known_names, *others}
    if unknown:
        names = ", ".join((*known_names, *others))
        raise BadInput(
            f"no reward {sorted(unknown)[0]!r}.", field="grpo.weights", fix=f"Known: {names}."
        )
    default = {reward.__name__: float(isinstance(reward, TaskReward)) for reward in rewards}
    return rewards, [chosen.get(reward.__name__, default[reward.__name__]) for reward in rewards]
