"""The gate within a training run: past ``gate_step`` a model is trained only when its window there passes (the auto-critic plan).

The verdict is a gate's: three outcomes, decided on the whole interval, too few items are inconclusive and go no further. The window
is one look of its own, planned beforehand. What this module does not do: stop anything, or keep verdicts.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..gates.policies import decide
from ..records import BenchmarkReport, GateVerdict
from ..records.gate_spec import GatePolicy
from ..records.training_spec import Windows
from .stopping import Window, stop_reason


def step_verdicts(windows: Sequence[Window], rules: Windows) -> list[GateVerdict]:
    """The verdicts on the window at ``rules.gate_step``; none before it, or without a gate."""
    found = [window for window in windows if window.step == rules.gate_step]
    return [
        decide(
            f"step_{rules.gate_step}_{policy.metric}",
            policy,
            _report(found[-1], rules),
            subject="",
            subject_hash="",
        )
        for policy in step_policies(rules)
        if found
    ]


def step_policies(rules: Windows) -> list[GatePolicy]:
    return [
        GatePolicy(metric="pass_at_1", threshold=rules.gate_pass_at_1, suite=rules.suite),
        GatePolicy(metric="syntax_rate", threshold=rules.gate_syntax_rate, suite=rules.suite),
    ]


def step_refusal(windows: Sequence[Window], rules: Windows) -> str | None:
    """Why training should not go past the gate step, or None."""
    for verdict in step_verdicts(windows, rules):
        if verdict.verdict != "pass":
            return f"gate_step: {verdict.name} is {verdict.verdict}: {verdict.reason}"
    return None


def why_stop(windows: Sequence[Window], rules: Windows) -> str | None:
    """Why training should stop after the last of ``windows``: the gate step, or a stop rule; None to go on."""
    return step_refusal(windows, rules) or stop_reason(windows, rules)


def _report(window: Window, rules: Windows) -> BenchmarkReport:
    return BenchmarkReport(
        stage="window",
        suite=rules.suite,
        model="",
        model_hash="",
        n=window.n,
        passed=window.passed,
        pass_at_1=window.pass_at_1,
        interval=None,
        syntax_n=window.syntax_n,
        syntax_passed=round((window.syntax_rate or 0.0) * window.syntax_n),
        syntax_rate=window.syntax_rate,
        syntax_interval=None,
        infra=window.infra,
        scorer_version="",
        decoding={},
        by_family={},
        seconds=0.0,
        tokens=0,
    )
