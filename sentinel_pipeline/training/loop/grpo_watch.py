"""The watch over a GRPO run: eval rewards at each window, coverage, the V4.1 handoff's rules over
the live curves.

A window asks the held-out prompts twice: sampled, each with the same draws as in every other
window, for the mean reward of each task; and greedily, for Pass@1 and syntax rate, which no reward
weight enters. Of several processes each answers its share, and rank 0 scores, writes and decides.
Rules are ``gates.curve_rules``'s; here they act. What this module does not do: decide whether
the model is good; the check ``eval_reward`` and the gates of the report do.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ...gates.curve_files import curves_of
from ...gates.curve_rules import curve_rules
from ...gates.rules import Finding, findings, stop_reason
from ...gates.statistics import mcnemar_exact, wilson, wilson_by_task
from ...generation.engine import generate
from ...generation.loading import load_model
from ...generation.prompts import prompts_of
from ...records import Interval, Task
from ...records.grpo_spec import GrpoSpec
from ...records.window import Window
from ...rewards import Scoring, reward_of, training_rows
from ...rewards.coverage import Seen
from ...store import read_jsonl
from ...worker import ranks
from .checkpoints import save_checkpoint
from .watch import Watch, unscored
from .windows import append_window, describe, evaluate_window

EVALS = "evals.jsonl"
FINDINGS = "watch.jsonl"
"""In ``out``: each window's reward of every prompt, and what the rules found."""


@dataclass(slots=True, kw_only=True)
class GrpoWatch(Watch):
    """A tuning's watch with evaluation by reward, rules and coverage."""

    scoring: Scoring
    prompts: Sequence[Task]
    """The tasks that are trained on, by index."""
    asked: Sequence[int] = ()
    """The prompt of every place of the run, ``prompts_per_step`` a step."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    evals: list[dict[str, Any]] = field(default_factory=list)
    holding: set[str] = field(default_factory=set)
    """Rules that held at the last step: one that goes on holding is told once."""
    seen: Seen = field(init=False)
    counted: int = 0
    began: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        counts: dict[str, int] = {}
        for task in self.prompts:
            counts[task.family] = counts.get(task.family, 0) + 1
        self.seen = Seen(counts)
        curves = self.job.out / self.job.curves
        evals = self.job.out / EVALS
        if not ranks.is_main():
            return
        self.rows = list(read_jsonl(curves)) if curves.is_file() else []
        self.evals = list(read_jsonl(evals)) if evals.is_file() else []
        self.holding = {finding.rule for finding in self._findings()}

    @property
    def spec(self) -> GrpoSpec:
        spec = self.job.spec
        assert isinstance(spec, GrpoSpec)
        return spec

    def more_numbers(self, step: int) -> dict[str, float]:
        """Coverage so far; and the step's seconds, which go to the logs alone."""
        self._note_seconds(step)
        places = self.asked[self.counted : step * self.spec.prompts_per_step]
        self.seen.add((self.prompts[index].family, self.prompts[index].id) for index in places)
        self.counted = step * self.spec.prompts_per_step
        coverage = self.seen.coverage()
        shares = {
            f"coverage/{name}": round(share.share, 6) for name, share in coverage.tasks.items()
        }
        judged: Counter[str] = Counter()
        for share in ranks.gathered(self.scoring.counts):
            judged.update(share)
        counts = {f"unjudged/{name}": float(judged[name]) for name in ("infra", "late")}
        if judged["shared"]:
            counts["trust/shared"] = float(judged["shared"])
        return {"coverage": round(coverage.total.share, 6), **shares, **counts}

    def _note_seconds(self, step: int) -> None:
        now = time.perf_counter()
        spent = self.trainer.clock.take()
        if not ranks.is_main():
            return
        row = {"step": step, "total": now - self.began, **spent}
        with (self.job.logs / "timings.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({name: round(value, 6) for name, value in row.items()}) + "\n")

    def apply_rules(self, step: int, control: Any) -> None:
        if ranks.is_main():
            self._note_findings(step)
        self.stopped_by = ranks.from_main(self.stopped_by)
        if self.stopped_by:
            control.should_training_stop = control.should_save = True
        self.began = time.perf_counter()

    def _note_findings(self, step: int) -> None:
        self.rows = list(read_jsonl(self.job.out / self.job.curves))
        holding = self._findings()
        for finding in holding:
            if finding.rule in self.holding:
                continue
            with (self.job.out / FINDINGS).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({**finding._asdict(), "step": step}) + "\n")
            self.progress.note(f"{finding.action}: {finding.reason}")
        self.holding = {finding.rule for finding in holding}
        self.stopped_by = next(
            (finding.reason for finding in holding if finding.action == "stop"), None
        )

    def stopped(self) -> str | None:
        return ranks.from_main(stop_reason(curve_rules(self.spec.watch), curves_of(self.rows)))

    def _findings(self) -> list[Finding]:
        return findings(curve_rules(self.spec.watch), curves_of(self.rows))

    def best(self) -> Window | None:
        """The window of the highest mean reward, the latest among equals."""
        means = {row["step"]: row["mean"] for row in self.evals if row["mean"] is not None}
        scored = [window for window in self.windows if window.step in means]
        return max(scored, key=lambda window: (means[window.step], window.step), default=None)

    def hold_window(self, step: int, control: Any) -> None:
        with self.averaged(step):
            self._hold(step)
        self.began = time.perf_counter()

    @contextmanager
    def averaged(self, step: int) -> Iterator[None]:
        """The model with its share of the starting weights, and afterwards as training left it."""
        share = self.spec.start_share
        if not share or step == 0:
            yield
            return
        import torch

        start = dict(load_model(self.job.model, exact=True).named_parameters())
        model = self.trainer.model
        trained = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        try:
            with torch.no_grad():
                for name, weight in model.named_parameters():
                    weight.lerp_(start[name].to(weight), share)
            yield
        finally:
            with torch.no_grad():
                for name, weight in model.named_parameters():
                    weight.copy_(trained[name])

    def _hold(self, step: int) -> None:
        sampled = self._sampled(step)
        decoding = replace(self.job.decoding, temperature=0.0)
        scorer = self.scorer if ranks.is_main() else unscored
        greedy = evaluate_window(
            self.trainer.model, self.tokenizer, self.tasks, decoding, scorer, step, shared=True
        )
        greedy = ranks.from_main(greedy)
        self.windows.append(greedy)
        if not ranks.is_main():
            return
        self.evals.append(sampled)
        if self.best() == greedy:
            save_checkpoint(self.job.logs / "best", step, self._write_model)
        self._append(EVALS, sampled)
        numbers = eval_numbers(sampled, greedy, self.tasks)
        self._append(self.job.curves, {"step": step, **numbers})
        self.track(numbers)
        append_window(self.job.out / "windows.jsonl", greedy)
        mean = "nothing scored" if sampled["mean"] is None else f"mean reward {sampled['mean']:.3f}"
        self.progress.note(f"{describe(greedy)}; sampled {mean} of {len(self.tasks)}")

    def _append(self, name: str, row: dict[str, Any]) -> None:
        with (self.job.out / name).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")

    def _sampled(self, step: int) -> dict[str, Any]:
        """The reward of one sample of each held-out prompt; None where there is none."""
        model = self.trainer.model
        side = self.tokenizer.padding_side
        decoding = self.spec.sampling(self.job.decoding)
        was_training = model.training
        model.eval()
        mine = ranks.share(self.tasks)
        try:
            batches = generate(model, self.tokenizer, prompts_of(mine), decoding)
            share = {answer.id: answer.completion for batch in batches for answer in batch}
        finally:
            model.train(was_training)
            self.tokenizer.padding_side = side
        answers = ranks.joined(share)
        if not ranks.is_main():
            return {}
        judged = self.scoring.judge(
            [answers[task.id] for task in self.tasks],
            [row["verifier"] for row in training_rows(self.tasks)],
        )
        rewards = [
            None if outcome.score is None else round(reward_of(outcome.score), 6)
            for outcome in judged
        ]
        judged_rewards = [reward for reward in rewards if reward is not None]
        return {
            "step": step,
            "mean": sum(judged_rewards) / len(judged_rewards) if judged_rewards else None,
            "rewards": rewards,
        }


def eval_numbers(
    sampled: dict[str, Any], greedy: Window, tasks: Sequence[Task]
) -> dict[str, float]:
    """``eval/…`` with interval and n: the mean reward of each task and of all prompts, and greedy
    Pass@1 and syntax rate.

    The interval of a mean reward is Wilson's with the mean in the rate's place: exact for rewards
    of 0 and 1, wide for others.
    """
    numbers: dict[str, float] = {}
    by_family: dict[str, list[float]] = {}
    for task, reward in zip(tasks, sampled["rewards"], strict=True):
        if reward is not None:
            by_family.setdefault(task.family, []).append(reward)
    everything = [reward for mine in by_family.values() for reward in mine]
    for name, mine in {**dict(sorted(by_family.items())), "mean_reward": everything}.items():
        if mine:
            numbers |= _measured(
                f"eval/{name}", sum(mine) / len(mine), wilson_by_task(mine, len(mine)), len(mine)
            )
    if greedy.pass_at_1 is not None:
        numbers |= _measured(
            "eval/pass_at_1", greedy.pass_at_1, wilson(greedy.passed, greedy.n), greedy.n
        )
    if greedy.syntax_rate is not None:
        good = round(greedy.syntax_rate * greedy.syntax_n)
        numbers |= _measured(
            "eval/syntax_rate", greedy.syntax_rate, wilson(good, greedy.syntax_n), greedy.syntax_n
        )
    return numbers


def _measured(name: str, value: float, interval: Interval, n: int) -> dict[str, float]:
    numbers = {
        name: value,
        f"{name}/low": interval.low,
        f"{name}/high": interval.high,
        f"{name}/n": float(n),
    }
    return {key: round(number, 6) for key, number in numbers.items()}


def eval_gain(evals: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Paired over the prompts, the last window against the one before training: exact sign test of
    who earns more.

    Not the best window: its choice would enter the p-value. None with fewer than two windows.
    """
    if len(evals) < 2:
        return None
    pairs = [
        (earlier, later)
        for earlier, later in zip(evals[0]["rewards"], evals[-1]["rewards"], strict=True)
        if earlier is not None and later is not None
    ]
    up = sum(later > earlier for earlier, later in pairs)
    down = sum(later < earlier for earlier, later in pairs)
    first = sum(earlier for earlier, _ in pairs) / len(pairs) if pairs else None
    last = sum(later for _, later in pairs) / len(pairs) if pairs else None
    return {
        "from_step": evals[0]["step"],
        "to_step": evals[-1]["step"],
        "n": len(pairs),
        "first": first,
        "last": last,
        "gained": up,
        "lost": down,
        "p": mcnemar_exact(up, down),
    }
