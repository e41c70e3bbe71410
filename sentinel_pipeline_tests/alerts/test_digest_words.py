"""The digest about gates: what only warns is a warning there too, and audits stand apart."""

from __future__ import annotations

import datetime as dt

from sentinel_pipeline.alerts.digest import NightSeen, build_digest, digest_markdown
from sentinel_pipeline.alerts.notice import RunSeen
from sentinel_pipeline.audit.licence import GATE
from sentinel_pipeline.phases import FOR_BUDGET
from sentinel_pipeline.records import Decided, GateVerdict, VerdictKey
from sentinel_pipeline.records.verdict import Verdict
from sentinel_pipeline.store import Home, Ledger, Store, skip


def verdict(name: str, subject: str, said: Verdict, n: int = 8) -> GateVerdict:
    key = VerdictKey(
        name=name, subject=subject, subject_hash=subject, scorer_version="s", policy_hash="p"
    )
    return key.verdict(
        Decided(verdict=said, measured=0.1, threshold=0.4, n=n, interval=None, reason="0 of 8")
    )


def test_a_gate_that_only_warns_is_a_warning_and_one_that_blocks_needs_a_person(home: Home) -> None:
    (home.recipes / "mine.toml").write_text('[gates.smoke_pass_at_1]\nseverity = "warn"\n')
    ledger = Ledger(home.ledger)
    made = [
        verdict("smoke_pass_at_1", "mine/sft_report", "fail"),
        verdict("pass_at_1", "mine/sft_report", "fail"),
        verdict("syntax_rate", "mine/sft_report", "pass"),
        verdict(GATE, "python", "pass", 100),
        verdict(GATE, "shell", "pass", 50),
    ]
    for each in made:
        ledger.record(each, recipe="mine", run_id="run-1")
    run = RunSeen("run-1", "mine", "nightly", failed=False, hours=1.0, why="")
    night = NightSeen(dt.date(2026, 1, 2), [run], {}, [], [])
    digest = build_digest(home, night)
    assert digest.needs == ("mine: pass_at_1 fail. 0 of 8",)
    assert digest.warnings == ("mine: smoke_pass_at_1 fail. 0 of 8",)
    page = digest_markdown(digest)
    needs, _, rest = page.partition("## Warnings")
    assert "smoke_pass_at_1" not in needs and "- mine: smoke_pass_at_1 fail" in rest
    assert "2 of 2 passed, 150 questions asked." in page
    assert GATE not in page, "a licence is no gate of the model"


def test_a_phase_that_was_skipped_for_the_budget_is_named_and_passes_nothing(home: Home) -> None:
    (home.recipes / "mine.toml").write_text('[budget]\nmax_hours = 1.0\noptional = ["dpo"]\n')
    store = Store(home, "mine", "run-1", "loop-1")
    with store.writing("dpo_checkpoint", recipe_hash="h", seed=1) as out:
        skip(out, f"{FOR_BUDGET}: dpo is optional")
    run = RunSeen("run-1", "mine", "nightly", failed=False, hours=1.0, why="")
    digest = build_digest(home, NightSeen(dt.date(2026, 1, 2), [run], {}, [], []))
    assert digest.skipped == ("mine: skipped for the budget: dpo is optional",)
    assert (digest.gates, digest.needs) == ((), ())
    assert "## Skipped for the budget\n\n- mine: skipped for the budget" in digest_markdown(digest)
