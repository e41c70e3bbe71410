"""What a run left, as pandas frames and ``datasets.Dataset``s, for a notebook.

    import sentinel_pipeline as sp

    tiny = sp.load("tiny")
    tiny.reports[["stage", "suite", "n", "pass_at_1", "low", "high"]]
    tiny.samples.query("stage == 'sft' and outcome == 'fail'")

Every frame is read from the newest finished artifacts, anew at each call. What this module does not
do: write, or compute a rate of its own.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .bench.report import newest_reports, report_from_json
from .errors import BadInput, did_you_mean
from .records.stages import REPORT_STAGES
from .store import Artifact, Home, Ledger, Store, find_home, read_jsonl

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset

TABLES: dict[str, tuple[str, str]] = {
    "tasks": ("task_bank", "train.parquet"),
    "candidates": ("raw_candidates", "candidates.parquet"),
    "labels": ("critic_labels", "labels.parquet"),
    "accepted": ("accepted_set", "accepted.parquet"),
    "rejected": ("rejected_set", "rejected.parquet"),
    "repairs": ("repair_traces", "repairs.parquet"),
    "mix": ("rebalanced_mix", "rows.parquet"),
    "left_out": ("rebalanced_mix", "left_out.parquet"),
    "pairs": ("preference_pairs", "pairs.parquet"),
    "corrections": ("human_corrections", "candidates.parquet"),
}
"""Name -> asset and file of a table of rows."""


@dataclass(frozen=True, slots=True)
class RecipeFrames:
    """One recipe's artifacts as frames."""

    home: Home
    recipe: str

    @property
    def reports(self) -> pd.DataFrame:
        """One row a stage and suite: ``n`` scored answers, rates in 0..1 with their 95 % interval
        (``low``, ``high``), answers lost to infrastructure apart."""
        import pandas as pd

        rows = []
        for stage, artifact in self._reports():
            for path in sorted(artifact.folder.glob("*/report.json")):
                report = report_from_json(artifact.json(f"{path.parent.name}/report.json"))
                row = asdict(report)
                for name, prefix in (("interval", ""), ("syntax_interval", "syntax_")):
                    low, high = (row.pop(name) or (None, None, None))[:2]
                    row |= {f"{prefix}low": low, f"{prefix}high": high}
                for name in ("by_family", "decoding", "seconds"):
                    row.pop(name)
                rows.append({**row, "stage": stage, "artifact": artifact.hash})
        return pd.DataFrame(rows)

    @property
    def families(self) -> pd.DataFrame:
        """One row a stage, suite and task family: its counts and rates."""
        import pandas as pd

        rows = []
        for stage, artifact in self._reports():
            for path in sorted(artifact.folder.glob("*/report.json")):
                report = artifact.json(f"{path.parent.name}/report.json")
                for family, counts in report["by_family"].items():
                    low, high = (counts.pop("interval") or (None, None))[:2]
                    place = {"stage": stage, "suite": path.parent.name, "family": family}
                    rows.append(place | counts | {"low": low, "high": high})
        return pd.DataFrame(rows)

    @property
    def samples(self) -> pd.DataFrame:
        """One row an answer: stage, suite, task, completion, outcome (pass, fail or infra) and
        reason."""
        import pandas as pd

        frames = [
            pd.read_parquet(path).assign(stage=stage, suite=path.parent.name)
            for stage, artifact in self._reports()
            for path in sorted(artifact.folder.glob("*/samples.parquet"))
        ]
        if not frames:
            return pd.DataFrame(columns=["stage", "suite", "task_id", "outcome"])
        together = pd.concat(frames, ignore_index=True)
        first = ["stage", "suite"]
        return together[[*first, *(name for name in together.columns if name not in first)]]

    @property
    def labels(self) -> pd.DataFrame:
        """The candidates with the critic's labels and reasons beside them."""
        return self.table("candidates").merge(self.table("labels"), on="id", validate="1:1")

    @property
    def mix(self) -> pd.DataFrame:
        """The rows that SFT is trained on."""
        return self.table("mix")

    @property
    def verdicts(self) -> pd.DataFrame:
        """Every verdict of the ledger about this recipe, the newest first."""
        import pandas as pd

        ledger = Ledger(self.home.ledger)
        return pd.DataFrame([asdict(verdict) for verdict in ledger.verdicts(recipe=self.recipe)])

    def losses(self, stage: str) -> pd.DataFrame:
        """The numbers of every optimizer step of a stage, ``sft`` or ``grpo``.

        Raises:
            BadInput: the stage has not been trained, or is not one.
        """
        import pandas as pd

        artifact = self._artifact(f"{stage}_checkpoint")
        for name in ("losses.jsonl", "curves.jsonl"):
            if (artifact.folder / name).is_file():
                return pd.DataFrame(list(read_jsonl(artifact.folder / name)))
        raise BadInput(f"{stage}_checkpoint has no curves.", file=artifact.folder)

    def table(self, name: str) -> pd.DataFrame:
        """A table of rows by its name in ``TABLES``.

        Raises:
            BadInput: an unknown name (with the nearest one), or the asset was not made yet.
        """
        import pandas as pd

        return pd.read_parquet(self._table(name))

    def dataset(self, name: str) -> Dataset:
        """The same table as a ``datasets.Dataset``, memory-mapped: for rows that are too many for a
        frame, or for a trainer of your own.

        Raises:
            BadInput: as ``table``.
        """
        from datasets import Dataset

        return Dataset.from_parquet(str(self._table(name)))

    def _table(self, name: str) -> Path:
        if name not in TABLES:
            raise BadInput(f"there is no table {name!r}.", fix=did_you_mean(name, TABLES))
        asset, file = TABLES[name]
        return self._artifact(asset).path(file)

    def _artifact(self, asset: str) -> Artifact:
        return Store.reading(self.home, self.recipe).get(asset)

    def _reports(self) -> list[tuple[str, Artifact]]:
        store = Store.reading(self.home, self.recipe)
        return list(newest_reports(store, REPORT_STAGES).items())

    def __repr__(self) -> str:
        stages = ", ".join(stage for stage, _ in self._reports()) or "none yet"
        return f"RecipeFrames({self.recipe!r}, reports: {stages})"


def load(recipe: str, project: str | Path | None = None) -> RecipeFrames:
    """What the newest runs of a recipe left.

    Args:
        project: the project's folder; by default the one that the command would use.

    Raises:
        BadInput: no such recipe (with the nearest name).
    """
    home = find_home() if project is None else Home(Path(project).resolve())
    home.recipe(recipe)
    return RecipeFrames(home, recipe)
