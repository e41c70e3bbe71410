"""The format probe's verdict on exactly one checkpoint, from the newest report that there is of it.

Evidence is a report of the suite ``format_probe``, a stage's or one of ``sentinel bench``, asked
through the chat template, about weights of the same hash, scored by the current, licensed scorer
version. The rule is the recipe's own gate on that suite, else ``RULE``. What this module does not
do: ask the model; a probe that nobody took is missing, and does not count as a pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from ..audit.scorers import unlicensed
from ..bench.report import report_from_json
from ..critic.version import scorer_version
from ..gates import decide, measure_report, policy_hash
from ..generation.targets import Target
from ..records import BenchmarkReport, GateVerdict, VerdictKey
from ..records.gate_spec import GatePolicy
from ..records.recipe import Recipe
from ..store import Artifact, Home, Ledger, Store
from ..tasks.suites.format_probe import tasks
from .guard import Probe

SUITE = "format_probe"
RULE = GatePolicy(metric="pass_at_1", suite=SUITE, threshold=0.80)
"""Four of five answers keep the form that was asked and stop by themselves, by the whole interval:
37 of the 40 prompts."""


class Probed(NamedTuple):
    """What the probe came to."""

    state: Probe
    reason: str
    verdict: GateVerdict | None = None


def probe(home: Home, recipe: Recipe, stage: str, target: Target) -> Probed:
    """The verdict on ``target``, the checkpoint of ``stage``."""
    newest = max(
        _reports(home, recipe.name, stage, target),
        key=lambda pair: pair[0].manifest.created_at,
        default=None,
    )
    if newest is None:
        return Probed("missing", f"Take it: sentinel bench {recipe.name}/{stage} --suite {SUITE}.")
    artifact, report = newest
    policies = [
        policy
        for policy in recipe.gates.values()
        if (policy.suite, policy.stage) == (SUITE, stage) and policy.against is None
    ]
    policy = next((policy for policy in policies if policy.severity != "off"), RULE)
    key = VerdictKey(
        name=SUITE,
        subject=f"{recipe.name}/{stage}",
        subject_hash=target.model_hash,
        scorer_version=report.scorer_version,
        policy_hash=policy_hash(policy),
    )
    measured = measure_report(
        policy, report, items=len(tasks()) - report.retired, scorer_now=scorer_version()
    )
    verdict = key.verdict(decide(policy, measured))
    if reason := unlicensed(Ledger(home.ledger)):
        verdict = replace(verdict, verdict="inconclusive", reason=reason)
    return Probed(
        verdict.verdict, f"{verdict.reason} (report {artifact.manifest.run_id[:8]}).", verdict
    )


def _reports(
    home: Home, recipe: str, stage: str, target: Target
) -> Iterator[tuple[Artifact, BenchmarkReport]]:
    """Every readable report of the suite about exactly these weights."""
    places = (
        (Store.reading(home, recipe), f"{stage}_report"),
        (Store.reading(home, "bench"), target.slug),
    )
    for store, asset in places:
        for artifact in store.history(asset):
            try:
                measured = (artifact.folder / SUITE / "report.json").is_file()
                report = (
                    report_from_json(artifact.json(f"{SUITE}/report.json")) if measured else None
                )
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if (
                report
                and report.model_hash == target.model_hash
                and report.decoding.get("prompt_format") == "chat"
            ):
                yield artifact, report
