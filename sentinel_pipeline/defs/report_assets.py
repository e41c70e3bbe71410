"""A report is made alike for every checkpoint: answer in a child process, score, summarise."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import dagster as dg

from ..phases import SKIPPED_SUITES
from ..rates import with_interval
from ..records import Task
from ..records.stages import BASE, report_of
from ..store import Artifact, Draft, read_parquet, skipped_reason
from ..worker.models import model_folder as model_folder
from ..worker.models import model_source
from .gap import answer_formats
from .stage import Stage, current_scorer_version, recipe_asset, samples_link


def report_asset(stage_name: str, *, group: str, description: str) -> dg.AssetsDefinition:
    """The asset ``{stage_name}_report``: the answers of ``{stage_name}_checkpoint`` to every suite,
    scored."""

    def report(stage: Stage) -> None:
        from ..bench.evaluate import Judged, write_reports
        from ..bench.report import report_markdown, report_plot
        from ..worker.jobs import answer_job

        checkpoint = stage.parent(f"{stage_name}_checkpoint")
        if reason := skipped_reason(checkpoint):
            stage.skip(reason, checkpoint)
            return
        if stage_name != BASE and (reason := stage.left_out(stage_name)):
            stage.skip(reason, checkpoint)
            return
        bank = stage.parent("task_bank")
        with stage.making(checkpoint, bank, keep=True) as out:
            logs = out.folder / "logs"
            skipped = stage.suites_left_out()
            suites = tuple(name for name in stage.recipe.bench.suites if name not in skipped)
            recipe = replace(stage.recipe, bench=replace(stage.recipe.bench, suites=suites))
            job = answer_job(
                recipe,
                model_folder(checkpoint),
                bank.path("suites"),
                logs,
                stage.home,
                checkpoint.hash,
            )
            stage.work(job)
            _ask_the_judge(stage, out, bank, suites)
            if skipped:
                out.json(SKIPPED_SUITES, skipped)
            base = stage.store.get(
                "base_checkpoint"
            )  # for its name alone: it is every checkpoint's ancestor
            judged = Judged(
                stage_name, model_source(base), checkpoint.hash, current_scorer_version()
            )
            if stage_name == BASE and stage.recipe.gap_proof is not None:
                spec = stage.recipe.gap_proof
                answer_formats(
                    stage, out, Path(model_folder(checkpoint)), checkpoint.hash, bank, spec
                )
            retired = {suite: len(items) for suite, items in bank.json("retired.json").items()}
            reports = write_reports(
                out, bank.path("suites"), judged, recipe, stage.store.run_id, retired
            )
        rates = [
            f"{report.suite} {with_interval(report.pass_at_1, report.interval)} of {report.n}"
            for report in reports
        ]
        left_out = f" Skipped for the budget: {', '.join(skipped)}." if skipped else ""
        stage.headline(f"Pass@1: {'; '.join(rates)}.{left_out}")
        stage.shown["answers"] = samples_link(stage.recipe.name, stage.asset)
        stage.show("report", report_markdown(reports))
        stage.show("plot", report_plot(reports))

    report.__name__ = report_of(stage_name)
    report.__doc__ = description
    return recipe_asset(
        group=group,
        rooms=["bench", "critic", "sandbox", "generation"],
        deps=[f"{stage_name}_checkpoint", "task_bank", "reward_audit"],
        kinds={"pytorch", "parquet"},
        pool="device",
    )(report)


def _ask_the_judge(stage: Stage, out: Draft, bank: Artifact, suites: Sequence[str]) -> None:
    """The recipe's judge about the answers that need one; without a licence they stay without a
    score."""
    from ..llm_judge.verdicts import add_verdicts

    if stage.recipe.judge.model is None:
        return
    for suite in suites:
        tasks = [Task.from_row(row) for row in read_parquet(bank.path(f"suites/{suite}.parquet"))]
        answers = out.folder / "logs" / f"{suite}.jsonl"
        add_verdicts(
            stage.home,
            stage.ledger,
            stage.recipe.judge,
            tasks,
            answers,
            samples=stage.recipe.bench.samples,
        )
