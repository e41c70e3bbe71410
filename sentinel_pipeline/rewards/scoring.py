"""Judging a batch of completions once for all reward functions, within the time that a training
step may spend on it.

Equal answers to one task are judged once. What infrastructure failed on is tried once more, then it
has no score; what the step's time did not suffice for has none either. Neither is ever a zero, and
both are counted. Workers are executed, not forked, and stay warm: the process may hold CUDA and
threads. What this module does not do: decide what is right (``critic`` does).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..critic.score import Scorable, Score, score
from ..errors import Infrastructure
from ..records import Message, verifier_from_json
from ..records.reward_spec import RewardSpec
from ..sandbox import RESOURCE_CODES, Grader, Level, Limits, RayGrader

_ASKED = (Message("user", "-"),)
"""The scorer judges by the verifier; a prompt is not looked at."""
STEP_SECONDS = 30.0
"""All reward functions of a step ask within this time; the same batch after it is another step."""


class Judged(NamedTuple):
    """One completion's score, None where there is none; ``why`` says so then."""

    score: Score | None
    why: str | None = None


@dataclass(slots=True)
class Scoring:
    """Shared by the reward functions of one run; a copy that was pickled starts workers of its
    own."""

    spec: RewardSpec = field(default_factory=RewardSpec)
    counts: Counter[str] = field(default_factory=Counter)
    """``judged``, ``infra`` (no score, ours) and ``late`` (no score, the step's time was over),
    since the beginning; and ``shared``: those judged whose tests ran beside the program."""
    _grader: Grader | RayGrader | None = None
    _key: tuple[tuple[str, str], ...] = ()
    _last: tuple[Judged, ...] = ()
    judged_at: float = 0.0

    def __getstate__(self) -> tuple[RewardSpec, Counter[str]]:
        return self.spec, self.counts

    def __setstate__(self, state: tuple[RewardSpec, Counter[str]]) -> None:
        self.spec, self.counts = state
        self._grader = None
        self._key = ()
        self._last = ()
        self.judged_at = 0.0

    def judge(self, completions: Sequence[str], verifiers: Sequence[str]) -> tuple[Judged, ...]:
        """One judgement for each completion. The batch that was judged last is remembered for the
        other reward functions of its step; what ended by a limit is not remembered beyond it.

        Raises:
            GateRefused: this machine isolates less than the rewards demand.
        """
        key = tuple(zip(completions, verifiers, strict=True))
        stale = time.monotonic() - self.judged_at > STEP_SECONDS and any(
            ended_by_a_limit(judged) for judged in self._last
        )
        if key != self._key or not self._last or stale:
            once = list(dict.fromkeys(key))
            by_pair = dict(zip(once, self._judge(once), strict=True))
            self._key, self._last = key, tuple(by_pair[pair] for pair in key)
            self.judged_at = time.monotonic()
            self._count()
        return self._last

    def close(self) -> None:
        """End the workers; the next batch starts others."""
        if self._grader is not None:
            self._grader.close()
            self._grader = None

    def _count(self) -> None:
        for result in self._last:
            kind = "late" if result.why == "late" else "infra"
            self.counts["judged" if result.score else kind] += 1
            if result.score is not None and result.score.evidence.get("trust") == "shared":
                self.counts["shared"] += 1

    def _judge(self, pairs: list[tuple[str, str]]) -> list[Judged]:
        deadline = time.monotonic() + self.spec.step_seconds
        judged = self._round(pairs, deadline)
        again = [
            at for at, result in enumerate(judged) if result.score is None and result.why != "late"
        ]
        if again and time.monotonic() < deadline:
            for at, result in zip(
                again, self._round([pairs[at] for at in again], deadline), strict=True
            ):
                judged[at] = result
        return judged

    def _round(self, pairs: list[tuple[str, str]], deadline: float) -> list[Judged]:
        items = [
            Scorable(str(at), _ASKED, text, _verifier(text_of_verifier))
            for at, (text, text_of_verifier) in enumerate(pairs)
        ]
        judged: list[Judged] = []
        try:
            for result in score(items, grader=self._workers()):
                judged.append(
                    Judged(None, result.reason) if result.outcome == "infra" else Judged(result)
                )
                if time.monotonic() > deadline:
                    break
        except Infrastructure as error:
            self.close()
            return judged + [Judged(None, str(error))] * (len(pairs) - len(judged))
        return judged + [Judged(None, "late")] * (len(pairs) - len(judged))

    def _workers(self) -> Grader | RayGrader:
        if self._grader is None:
            spec = self.spec
            limits = Limits(
                cpu_seconds=spec.cpu_seconds,
                wall_seconds=spec.wall_seconds,
                memory_mib=spec.memory_mib,
                output_kib=256,
            )
            least = Level(spec.require_isolation)
            if spec.engine == "ray":
                self._grader = RayGrader(limits=limits, require_isolation=least)
            else:
                self._grader = Grader(workers=spec.workers, limits=limits, require_isolation=least)
        return self._grader


def ended_by_a_limit(judged: Judged) -> bool:
    """Whether another run of the same answer may come out otherwise: it ran into a limit, or was
    not judged at all."""
    return judged.score is None or judged.score.reason.partition(":")[0] in RESOURCE_CODES


def _verifier(text: str) -> Any:
    verifier = verifier_from_json(text)
    assert verifier is not None, "a training row without a verifier"
    return verifier


def reward_of(score: Score) -> float:
    """1 for a pass; a failure's credit where the scorer grades, else 0."""
    return 1.0 if score.outcome == "pass" else float(score.evidence.get("credit", 0.0))
