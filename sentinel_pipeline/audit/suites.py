"""Before a suite is used: every gold answer it brings must pass its own verifier, in the sandbox.

A suite whose reference fails would call right answers wrong. Items without a reference are counted,
not guessed. What this module does not do: show that wrong answers fail; ``audit.exam`` asks that of
the scorers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..critic.score import Scorable, score
from ..errors import BadInput, Infrastructure
from ..records import JudgedAnswer, Task
from ..tasks.suites import SUITES, load_suite


class SuiteAudit(NamedTuple):
    """``failed`` and ``infra``: (task id, reason) of gold answers that did not pass, and that could
    not be scored."""

    tasks: int
    gold: int
    failed: tuple[tuple[str, str], ...]
    infra: tuple[tuple[str, str], ...]


def audit_suite(tasks: Sequence[Task]) -> SuiteAudit:
    """Score every reference, but those that a judge would have to judge.

    Raises:
        GateRefused: there are programs to run and this machine isolates less than the sandbox
            demands.
    """
    gold = [
        task for task in tasks if task.reference and not isinstance(task.verifier, JudgedAnswer)
    ]
    scores = list(
        score(Scorable(task.id, task.messages, task.reference, task.verifier) for task in gold)
    )
    failed = tuple((sample.id, sample.reason) for sample in scores if sample.outcome == "fail")
    return SuiteAudit(
        len(tasks),
        len(gold),
        failed,
        tuple((sample.id, sample.reason) for sample in scores if sample.outcome == "infra"),
    )


def load_audited(name: str, data: Path | None) -> list[Task]:
    """``load_suite``; a user's own suite is audited as well. The suites that come with the product
    are audited by its tests.

    Raises:
        BadInput: as ``load_suite``, or a gold answer that does not pass: which, and why.
        Infrastructure: a gold answer could not be scored.
    """
    tasks = load_suite(name, data=data)
    if name not in SUITES:
        require_gold(audit_suite(tasks), data or Path(name))
    return tasks


def require_gold(audit: SuiteAudit, file: Path) -> None:
    """Raises BadInput or Infrastructure unless every gold answer passed."""
    if audit.failed:
        shown = "; ".join(f"{name}: {reason}" for name, reason in audit.failed[:5])
        raise BadInput(
            f"{len(audit.failed)} of {audit.gold} references do not pass their own verifier: {shown}",
            file=file,
            field="reference",
            fix="Correct the references or the tests: a suite that fails right answers measures nothing.",
        )
    if audit.infra:
        name, reason = audit.infra[0]
        raise Infrastructure(
            f"{file}: {len(audit.infra)} references could not be scored, {name!r} first: {reason}"
        )
