"""How many product files know of one training stage: the next one is added in as few."""

from __future__ import annotations

import re
from pathlib import Path

from sentinel_pipeline.records.stages import KTO, TRAINING_STAGES

PACKAGE = Path(__file__).resolve().parents[1] / "sentinel_pipeline"
OWN = {
    "defs/kto.py",
    "pairs/unpaired.py",
    "records/kto_spec.py",
    "records/unpaired.py",
    "review/answer_labels.py",
    "training/trainers/kto.py",
    "training/data/unpaired_tokens.py",
}
"""The stage's own modules."""
MOST = 5


def files_that_name(pattern: str) -> set[str]:
    return {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*")
        if path.suffix in {".py", ".jinja", ".html", ".js"}
        and re.search(pattern, path.read_text(encoding="utf-8"), re.IGNORECASE)
    }


def test_kto_is_known_to_at_most_five_files_besides_its_own_modules() -> None:
    """Every other file reads the chain, so that the next stage is added where this one was."""
    files = files_that_name(r"(?<![a-z])kto|unpaired_|UnpairedAnswer|\.unpaired\b|answer_labels")
    assert files >= OWN, "a module of its own was renamed"
    others = files - OWN
    assert others == {"records/stages.py", "records/recipe.py", "definitions.py"}
    assert len(others) <= MOST


def test_its_own_modules_are_what_the_chain_names() -> None:
    assert KTO in TRAINING_STAGES and KTO.rows is not None
    for dotted in (KTO.trainer, KTO.rows.prepare):
        name = dotted.partition(":")[0].removeprefix("sentinel_pipeline.").replace(".", "/")
        assert f"{name}.py" in OWN
