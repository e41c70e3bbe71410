"""Recipe section about judges: who judges, and what it must show before its verdicts may decide a
gate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from .bounds import Confidence, Count, Positive, PositiveShare
from .decode import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeModel:
    """Who judges the answers of ``judged_answer`` tasks."""

    name: str
    """A served model's name; without ``base_url`` a model folder, or a hub model that is here."""
    base_url: str | None = None
    """An OpenAI-compatible server, with its version path."""
    key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the server's key."""
    concurrency: Count = 8
    """Requests at a time."""
    more_urls: tuple[str, ...] = ()
    """Further servers of the same model, asked in turn."""
    timeout_s: Positive = 120.0
    max_retries: Count = 5
    max_tokens: Count = 16
    """Of a verdict; a model that reasons first needs room for it."""
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The field that bounds a reply; OpenAI's reasoning models know the second alone."""
    reasoning_effort: Literal["minimal", "low", "medium", "high"] | None = None
    send_sampling: bool = True
    """Whether temperature and seed are sent: some reasoning models refuse them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeExam:
    """The judge's exam in every run: what is served under a name may be another model tomorrow."""

    labels: str
    """JSONL of answers that people labelled, relative to the project's root."""
    second: JudgeModel
    """The second judge, asked for some of the labels."""
    rubric: str = ""
    """The rubric that the licence is for; empty: the general one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSpec:
    """The judge, and the bars of its licence."""

    model: JudgeModel | None = None
    """Absent: ``judged_answer`` tasks stay without a score."""
    exam: JudgeExam | None = None
    """Absent: no run examines the judge; ``sentinel judge licence`` does."""
    min_kappa: PositiveShare = 0.7
    """Lower bound of Cohen's kappa with the human labels (the stage 1 findings' bar, taken on the
    bound and not on the point)."""
    confidence: Confidence = 0.95
    max_p_constant: PositiveShare = 0.05
    """Exact one-sided sign test that the judge agrees with the humans more often than the best
    constant answer does."""
    min_swap_agreement: PositiveShare = 0.9
    """Share of verdicts that stay when the parts of the prompt and the two answers on offer change
    places."""
    min_self_agreement: PositiveShare = 0.9
    """Share of verdicts that stay when the same is asked again."""
    max_injected: PositiveShare = 0.05
    """Share of failing answers that an order to the judge, written into them, may turn into passing
    ones, over all kinds of orders; of one kind that share, or one answer."""
    second_share: PositiveShare = 0.1
    """Share of the labels that a second judge is asked too; at least 20, or all."""
    min_second_agreement: PositiveShare = 0.8

    max_age_days: Count = 90
    """Days after which a licence ends: what is served under a name changes unseen."""

    def bars(self) -> JudgeSpec:
        """The bars alone: a licence is for them, whoever asks."""
        return replace(self, model=None, exam=None)

    def check(self) -> None:
        if self.exam is None:
            return
        if self.model is None:
            raise Fault("needs [judge.model]", "exam", "Name the judge in [judge.model].")
        if self.exam.second == self.model:
            raise Fault("is the first judge again", "exam.second", "Name another model.")
