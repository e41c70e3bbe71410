"""A recipe of SFT and KTO, run by the command to its end: KTO is trained, judged and compared, DPO
and GRPO are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel_pipeline.store import Store, read_jsonl
from sentinel_pipeline_tests.e2e.conftest import RECIPES, new_home, sentinel

pytestmark = pytest.mark.slow


def test_a_recipe_of_sft_and_kto_ends_by_itself(tmp_path: Path) -> None:
    home = new_home(tmp_path, [RECIPES / "mini-kto.toml"])
    done = sentinel(home, "run", "mini-kto", "--json")
    assert done.code == 0, done.err
    summary = done.json()
    stages = {stage["name"]: stage["status"] for stage in summary["stages"]}
    assert {"unpaired_rows", "kto_checkpoint", "kto_report"} < set(stages)
    assert set(stages.values()) == {"done"}
    assert not {name for name in stages if name.startswith(("dpo_", "grpo_", "preference_"))}
    compared = {(row["from"], row["to"]) for row in summary["comparisons"]}
    assert compared == {("base", "sft"), ("sft", "kto"), ("base", "kto")}
    assert {"kto_pass_at_1", "kto_syntax_rate"} < {gate["name"] for gate in summary["gates"]}

    store = Store.reading(home, "mini-kto")
    made = store.get("kto_checkpoint")
    parents = {parent.asset for parent in made.manifest.parents}
    assert {"unpaired_rows", "sft_checkpoint", "sft_report"} < parents
    assert made.json("parity.json")["passed"]
    rows = list(read_jsonl(made.path("losses.jsonl")))
    assert len(rows) == 6 and rows[0]["kl"] == 0.0
    labels = {row["label"] for row in read_jsonl(store.get("unpaired_rows").path("train.jsonl"))}
    assert labels == {True, False}
