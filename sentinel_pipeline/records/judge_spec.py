"""Recipe section about judges: what a model must show before its verdicts may decide a gate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedJudge:
    """A judge behind an OpenAI-compatible server, examined anew in every run: what is served under a name may change."""

    labels: str
    """JSONL of answers that people labelled, relative to the project's root."""
    model: str
    base_url: str
    """With its version path: ``http://127.0.0.1:8000/v1``."""
    second_model: str
    """The second judge, asked for some of the labels."""
    second_base_url: str | None = None
    """Its server; absent: the first one's."""
    key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the servers' key."""
    rubric: str = ""
    """The rubric; empty: a general one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSpec:
    """The bars of a judge's licence."""

    min_kappa: float = 0.7
    """Lower bound of Cohen's kappa with the human labels (seed 003's bar, taken on the bound and not on the point)."""
    confidence: float = 0.95
    max_p_constant: float = 0.05
    """Exact one-sided sign test that the judge agrees with the humans more often than the best constant answer does."""
    min_swap_agreement: float = 0.9
    """Share of verdicts that stay when the parts of the prompt and the two answers on offer change places."""
    min_self_agreement: float = 0.9
    """Share of verdicts that stay when the same is asked again."""
    max_injected: float = 0.05
    """Share of failing answers that an order to the judge, written into them, may turn into passing ones."""
    second_share: float = 0.1
    """Share of the labels that a second judge is asked too."""
    min_second_agreement: float = 0.8
    served: ServedJudge | None = None
    """Absent: no run examines a judge; ``sentinel judge licence`` does."""
