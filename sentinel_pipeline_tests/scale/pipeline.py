"""Reading, labels, decontamination and the mix as one call, by either engine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sentinel_pipeline.candidates.file_blocks import ReadPart
from sentinel_pipeline.candidates.raw import raw_candidates
from sentinel_pipeline.critic.label_blocks import label_table
from sentinel_pipeline.critic.labels import label
from sentinel_pipeline.mix.build import build_mix
from sentinel_pipeline.mix.decontam import decontaminate, decontaminate_blocks
from sentinel_pipeline.mix.survey import pool, pool_blocks
from sentinel_pipeline.records import Candidate, Message, PythonTests, Quarantined, Task
from sentinel_pipeline.records.data_spec import CandidatesSpec, CriticSpec, MixSpec
from sentinel_pipeline.store import read_parquet, write_parquet
from sentinel_pipeline.store.files import write_json
from sentinel_pipeline.store.labelled import accepted_rows
from sentinel_pipeline.store.tables import table_writer

ITEM = (
    "Write a function that sorts the words of a sentence by their length and then by the alphabet."
)
SUITE = [
    Task(
        id=f"item/{number}",
        suite="own",
        category="executable_code",
        family="own",
        messages=(Message("user", prompt),),
        verifier=PythonTests(tests="assert f(1) == 1", entry_point="f"),
        reference=f"def f(x):\n    return x + {number} - {number}\n",
    )
    for number, prompt in enumerate(
        (
            ITEM,
            "Write a function that returns the largest prime factor of a positive whole number.",
        )
    )
]


class Made(NamedTuple):
    """What the stages counted."""

    rows: int
    quarantined: int
    hits: int
    left_out: dict[str, int]


def make_all(sources: list[Path], out: Path, engine: Literal["local", "ray"]) -> Made:
    """Every file of the data stages, in ``out``."""
    out.mkdir()
    spec = CandidatesSpec(files=tuple(map(str, sources)), engine=engine, corrupted_share=0.0)
    quarantined = 0
    with (
        table_writer(out / "candidates.parquet", "candidates") as good,
        table_writer(out / "quarantine.parquet", "quarantine") as bad,
    ):
        for row in raw_candidates((), spec, 1):
            if isinstance(row, ReadPart):
                good.extend(row.candidates)
                for refused in row.quarantined:
                    bad.append(asdict(refused))
            elif isinstance(row, Quarantined):
                bad.append(asdict(row))
            else:
                good.append(row.to_row())
        quarantined = bad.rows
    source = out / "candidates.parquet"
    critic = CriticSpec(engine=engine, cpu_seconds=2.0)
    with table_writer(out / "labels.parquet", "labels") as labels_table:
        if engine == "ray":
            for part in label_table(source, spec=critic):
                labels_table.extend(part)
        else:
            candidates = (Candidate.from_row(row) for row in read_parquet(source))
            for labels in label(candidates, spec=critic):
                labels_table.append(labels.to_row())
    accepted = accepted_rows(source, out / "labels.parquet")
    write_parquet(out / "accepted.parquet", accepted, "candidates")
    write_parquet(out / "repairs.parquet", [], "repairs")
    pooled = out / "accepted.parquet", out / "repairs.parquet"
    corpus = [entry.candidate for entry in pool(*pooled)][::5]
    if engine == "ray":
        report = decontaminate_blocks(pool_blocks(*pooled), SUITE, corpus=corpus, seed=3)
    else:
        rows = (entry.candidate for entry in pool(*pooled))
        report = decontaminate(rows, SUITE, corpus=corpus, seed=3)
    write_json(out / "report.json", report.to_json())
    mix_spec = MixSpec(
        shares={"executable_code": 0.9, "general_chat": 0.1},
        minimum_quality="unverified",
        engine=engine,
        memory_mib=128,
    )
    banned = {hit.id for hit in report.hits}
    with build_mix(*pooled, banned=banned, spec=mix_spec, seed=5, scratch=out) as mix:
        write_parquet(out / "rows.parquet", (row.to_row() for row in mix.rows), "rows")
        left_out: list[dict[str, Any]] = [row._asdict() for row in mix.left_out]
        write_parquet(out / "left_out.parquet", left_out, "left_out")
        write_json(out / "mix.json", mix.report.to_json())
    return Made(good.rows, quarantined, len(report.hits), mix.report.left_out)
