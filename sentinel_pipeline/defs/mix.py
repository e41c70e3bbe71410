"""Group ``mix``: decontamination against every suite, then the shares of the auto-critic plan."""

from collections.abc import Iterator

from ..records import Candidate, Task
from ..store import Artifact, read_parquet
from ..store.tables import parquet_rows
from .stage import Stage, recipe_asset


def suite_tasks(bank: Artifact) -> list[Task]:
    """Every item of every suite that the recipe answers."""
    paths = sorted(bank.path("suites").glob("*.parquet"))
    return [Task.from_row(row) for path in paths for row in read_parquet(path)]


def training_tasks(bank: Artifact) -> list[Task]:
    """Tasks that share no composition with the suites, however alike they look."""
    return [Task.from_row(row) for row in read_parquet(bank.path("train.parquet"))]


def wording_rows(accepted: Artifact, repairs: Artifact) -> Iterator[Candidate]:
    """Rows from all over the corpus from which its wording is learnt, the same for whoever
    compares it or a part of it."""
    from ..mix.decontam import MAX_LEARNT
    from ..mix.survey import pool_at

    tables = accepted.path("accepted.parquet"), repairs.path("repairs.parquet")
    rows = sum(map(parquet_rows, tables))
    step = max(1, rows // MAX_LEARNT)
    return pool_at(*tables, list(range(0, rows, step))[:MAX_LEARNT])


@recipe_asset(
    group="mix",
    rooms=["mix"],
    deps=["accepted_set", "repair_traces", "task_bank"],
    kinds={"python"},
)
def decontamination_report(stage: Stage) -> None:
    """Rows that overlap an item of the recipe's suites, and how well planted contaminations are
    found."""
    from ..mix.decontam import decontaminate, decontaminate_blocks
    from ..mix.survey import pool, pool_blocks

    accepted, repairs, bank = (
        stage.parent(name) for name in ("accepted_set", "repair_traces", "task_bank")
    )
    tables = accepted.path("accepted.parquet"), repairs.path("repairs.parquet")
    suites = suite_tasks(bank)
    training = training_tasks(bank)
    wording = wording_rows(accepted, repairs)
    seed = stage.recipe.seed
    if stage.recipe.mix.engine == "ray":
        report = decontaminate_blocks(
            pool_blocks(*tables), suites, relatives=training, corpus=wording, seed=seed
        )
    else:
        rows = (entry.candidate for entry in pool(*tables))
        report = decontaminate(rows, suites, relatives=training, corpus=wording, seed=seed)
    assert report.measured is not None
    with stage.making(accepted, repairs, bank) as out:
        out.json("report.json", report.to_json())
        out.metrics |= {"rows": report.rows, "contaminated": len(report.hits)}
        out.metrics |= {
            key: rate for key, rate in report.measured.summary().items() if rate is not None
        }
    stage.show("decontamination", report.to_markdown())
    stage.show("plot", report.measured.to_plot())


@recipe_asset(
    group="mix",
    rooms=["mix"],
    deps=["accepted_set", "repair_traces", "decontamination_report"],
    kinds={"python", "parquet"},
)
def rebalanced_mix(stage: Stage) -> None:
    """The training rows in the shares of the auto-critic plan: no duplicates, no benchmark items,
    every shortfall reported."""
    from ..mix.build import build_mix

    names = ("accepted_set", "repair_traces", "decontamination_report")
    accepted, repairs, clean = (stage.parent(name) for name in names)
    banned = {hit["id"] for hit in clean.json("report.json")["hits"]}
    tables = accepted.path("accepted.parquet"), repairs.path("repairs.parquet")
    spec = stage.recipe.mix
    seed = stage.recipe.seed
    with (
        stage.making(accepted, repairs, clean) as out,
        build_mix(*tables, banned=banned, spec=spec, seed=seed, scratch=out.folder) as mix,
    ):
        out.metrics["rows"] = out.table("rows.parquet", (row.to_row() for row in mix.rows), "rows")
        out.jsonl("train.jsonl", (row.to_trl() for row in mix.rows))
        out.metrics["left_out"] = out.table(
            "left_out.parquet", (row._asdict() for row in mix.left_out), "left_out"
        )
        out.json("mix.json", mix.report.to_json())
        out.metrics["shortfall"] = mix.report.shortfall
    stage.show("mix", mix.report.to_markdown())
    stage.show("plot", mix.report.to_plot())
