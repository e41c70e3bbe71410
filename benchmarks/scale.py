"""Ten million rows and more: what each data stage costs a row, from two sizes, and what follows for
larger ones.

The rows are those of ``mix.py``. Each stage runs in a process of its own: it reads the files of the
stage before, as a run does. Times are processor seconds; memory is the peak of what the process
holds itself (anonymous) and of all that is resident, mapped files too. Memory that grows between
the two sizes is what larger ones would break on. With ``--page`` the table and what is computed
from it are written to ``docs/scale.md``; the rates on a cluster are computed, not measured.

python benchmarks/scale.py [--rows 20000 100000] [--page] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("RAYON_NUM_THREADS", "1")

from benchmarks.mix import SPEC, candidates, suite
from sentinel_pipeline.candidates.files import read_files
from sentinel_pipeline.critic.labels import label
from sentinel_pipeline.mix import build
from sentinel_pipeline.mix.decontam import decontaminate
from sentinel_pipeline.mix.survey import pool, pool_at
from sentinel_pipeline.records import Candidate, Quarantined
from sentinel_pipeline.store import read_parquet, write_parquet
from sentinel_pipeline.store.files import write_json, write_jsonl
from sentinel_pipeline.store.label_cache import LabelCache
from sentinel_pipeline.store.labelled import accepted_rows
from sentinel_pipeline.store.tables import parquet_rows, table_writer

PAGE = Path(__file__).resolve().parents[1] / "docs" / "scale.md"
STAGES = ("read", "label", "accept", "decontaminate", "near_duplicates", "mix")
ON_NODES = ("read", "label", "decontaminate", "near_duplicates")
"""Stages whose rows a cluster's nodes read and work on."""
FILES = ("source", "candidates", "labels", "label_cache", "accepted", "survey", "rows", "train")
BARS = {f"{name}_memory_times": "flat: about 1" for name in STAGES}


def sources(count: int, folder: Path) -> None:
    """What stage ``read`` reads: Parquet with requests and answers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("prompt", pa.string()), ("response", pa.string())])
    rows: list[dict[str, str]] = []
    with pq.ParquetWriter(folder / "source.parquet", schema, compression="zstd") as writer:
        for row in candidates(count):
            rows.append({"prompt": row.messages[0].content, "response": row.completion})
            if len(rows) == 8192:
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
                rows = []
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def read(folder: Path) -> None:
    with table_writer(folder / "candidates.parquet", "candidates") as table:
        for row in read_files([folder / "source.parquet"]):
            assert not isinstance(row, Quarantined), asdict(row)
            table.append(row.to_row())


def label_rows(folder: Path) -> None:
    rows = (Candidate.from_row(row) for row in read_parquet(folder / "candidates.parquet"))
    with (
        LabelCache(folder / "labels.sqlite") as cache,
        table_writer(folder / "labels.parquet", "labels") as table,
    ):
        for labels in label(rows, cache=cache):
            table.append(labels.to_row())


def accept(folder: Path) -> None:
    rows = accepted_rows(folder / "candidates.parquet", folder / "labels.parquet")
    write_parquet(folder / "accepted.parquet", rows, "candidates")
    write_parquet(folder / "repairs.parquet", [], "repairs")


def decontaminate_rows(folder: Path) -> None:
    tables = folder / "accepted.parquet", folder / "repairs.parquet"
    count = parquet_rows(tables[0])
    wording = pool_at(*tables, range(0, count, max(1, count // 5000)))
    report = decontaminate((entry.candidate for entry in pool(*tables)), suite(), corpus=wording)
    write_json(folder / "report.json", report.to_json())


def mix_rows(folder: Path) -> dict[str, float]:
    """Near-duplicates, then what else the mix is: processor seconds of the first apart."""
    spent = {"near_duplicates": 0.0}

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            began = time.process_time()
            try:
                return work(*arguments, **options)
            finally:
                spent["near_duplicates"] += time.process_time() - began

        return call

    for name in ("survey", "find_duplicates"):
        setattr(build, name, timed(getattr(build, name)))
    hits = json.loads((folder / "report.json").read_text(encoding="utf-8"))["hits"]
    tables = folder / "accepted.parquet", folder / "repairs.parquet"
    banned = {hit["id"] for hit in hits}
    with build.build_mix(*tables, banned=banned, spec=SPEC, seed=1, scratch=folder) as mix:
        write_parquet(folder / "rows.parquet", (row.to_row() for row in mix.rows), "rows")
        write_jsonl(folder / "train.jsonl", (row.to_trl() for row in mix.rows))
        left_out = (row._asdict() for row in mix.left_out)
        write_parquet(folder / "left_out.parquet", left_out, "left_out")
        survey = next(folder.glob(".mix-*"))
        spent["survey_bytes"] = sum(each.stat().st_size for each in survey.glob("*.*"))
    return spent


WORK: dict[str, Callable[[Path], dict[str, float] | None]] = {
    "read": read,
    "label": label_rows,
    "accept": accept,
    "decontaminate": decontaminate_rows,
    "mix": mix_rows,
}


class Memory:
    """The most anonymous memory that this process held, looked at ten times a second."""

    def __init__(self) -> None:
        self.peak_kib = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._end.wait(0.1):
            status = Path("/proc/self/status").read_text(encoding="ascii")
            line = next(each for each in status.splitlines() if each.startswith("RssAnon"))
            self.peak_kib = max(self.peak_kib, int(line.split()[1]))

    def end(self) -> float:
        self._end.set()
        self._thread.join()
        return self.peak_kib / 1024


def alone(stage: str, folder: Path) -> dict[str, Any]:
    """A stage in a process of its own."""
    command = [sys.executable, __file__, "--stage", stage, "--folder", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def size(count: int) -> dict[str, Any]:
    """Each stage's microseconds and memory, and bytes a row of what is on disk."""
    with tempfile.TemporaryDirectory(prefix="sentinel-scale-") as name:
        folder = Path(name)
        sources(count, folder)
        result: dict[str, Any] = {"rows": count, "cpu_s": {}, "anon_mib": {}, "peak_mib": {}}
        for stage in WORK:
            done = alone(stage, folder)
            near = done.get("near_duplicates", 0.0)
            result["cpu_s"][stage] = done["cpu_s"] - near
            if stage == "mix":
                result["cpu_s"]["near_duplicates"] = near
                result["survey_bytes"] = done["survey_bytes"] / count
            for key in ("anon_mib", "peak_mib"):
                result[key][stage] = done[key]
        for key in ("anon_mib", "peak_mib"):
            result[key]["near_duplicates"] = result[key]["mix"]
        files = ("source", "candidates", "labels", "accepted", "rows")
        result["bytes"] = {
            each: (folder / f"{each}.parquet").stat().st_size / count for each in files
        }
        result["bytes"]["train"] = (folder / "train.jsonl").stat().st_size / count
        result["bytes"]["label_cache"] = (folder / "labels.sqlite").stat().st_size / count
        hits = json.loads((folder / "report.json").read_text(encoding="utf-8"))["hits"]
        result["hits"] = len(hits) / count
        return result


def flat(small: dict[str, Any], large: dict[str, Any]) -> dict[str, Any]:
    """One name, one number."""
    result: dict[str, Any] = {"small_rows": small["rows"], "large_rows": large["rows"]}
    more = large["rows"] - small["rows"]
    for stage in STAGES:
        # Of the rows that the large size has more: what a stage costs once is in neither.
        us = (large["cpu_s"][stage] - small["cpu_s"][stage]) / more * 1e6
        result[f"{stage}_us_a_row"] = us
        result[f"{stage}_rows_per_s"] = 1e6 / us
        result[f"{stage}_anon_mib"] = large["anon_mib"][stage]
        result[f"{stage}_peak_mib"] = large["peak_mib"][stage]
        result[f"{stage}_memory_times"] = large["anon_mib"][stage] / small["anon_mib"][stage]
    result |= {f"{name}_bytes_a_row": value for name, value in large["bytes"].items()}
    result["survey_bytes_a_row"] = large["survey_bytes"]
    result["hits_a_row"] = large["hits"]
    return result


def page(measured: dict[str, Any]) -> str:
    """``docs/scale.md``: what was measured, and what follows from it."""
    us = {stage: measured[f"{stage}_us_a_row"] for stage in STAGES}
    of = {name: measured[f"{name}_bytes_a_row"] for name in FILES}
    small, large = measured["small_rows"], measured["large_rows"]
    blocks = [
        "# Ten million rows and more",
        "Written by `python benchmarks/scale.py --page` from what it measured.",
        "Reading, labels, decontamination, near-duplicates and the mix stream over tables: no stage "
        "holds its rows. DuckDB sorts what has to be sorted, under `[mix] memory_mib` (512), and "
        "spills to the run's own folder; signatures, and who stands for whom, are mapped files.",
        'With `engine = "ray"` in `[candidates]`, `[critic]` and `[mix]`, or `sentinel label --engine '
        "ray`, the nodes of a Ray cluster read row groups (by Ray Data) and do the work. Rows, "
        "labels, mix and their order are the same, byte for byte, also when a node dies on the way: "
        "`sentinel_pipeline_tests/scale/test_on_ray.py` shows it on two nodes. [ray.md](ray.md) says "
        "how to start a cluster. `[candidates] files` may name Parquet on an object store "
        "(`s3://BUCKET/FOLDER`), with fsspec's package for it installed.",
        "## Measured",
        f"{large:,} generated rows of about 1 KB, each stage in a process of its own, on one core of "
        "a machine that did other work too. Times are processor time a row more than "
        f"{small:,} rows; memory is what the process itself holds, and its ratio to {small:,} rows.",
    ]
    table = ["| stage | rows a second | µs a row | held, MiB | times | with mapped files, MiB |"]
    table.append("|---|---|---|---|---|---|")
    for stage in STAGES:
        keys = ("rows_per_s", "us_a_row", "anon_mib", "memory_times", "peak_mib")
        values = [measured[f"{stage}_{key}"] for key in keys]
        forms = ("{:,.0f}", "{:,.0f}", "{:,.0f}", "{:.2f}", "{:,.0f}")
        cells = [form.format(value) for form, value in zip(forms, values, strict=True)]
        table.append(f"| {stage.replace('_', '-')} | {' | '.join(cells)} |")
    disk = sum(value for name, value in of.items() if name != "source")
    on_disk = ", ".join(f"{name.replace('_', ' ')} {of[name]:,.0f}" for name in FILES)
    blocks += [
        "\n".join(table),
        "`near-duplicates` and `mix` run in one process. Tables are read and written a row group of 8,192 "
        "rows at a time, so what is held still grows until a size fills one. Bytes a row on disk: "
        + on_disk
        + ".",
        "## Computed from it",
        "A node has 16 cores as fast as the measured one, and no time is lost between tasks. Without "
        "Ray one core does the work. On nodes, reading, labels, decontamination and near-duplicates "
        "divide over all cores, but for the sort of equal rows, which is left out here; what `accept` and "
        "`mix` do stays on the one machine that runs the stage. Disk is all that a run keeps, with "
        "the survey, which it removes. Network is what "
        "nodes read, and what they send back; files lie where all nodes see them.",
    ]
    table = ["| rows | nodes | hours | of these on one core | disk, GB | network, GB |"]
    table.append("|---|---|---|---|---|---|")
    apart = sum(us[stage] for stage in ON_NODES)
    alone_us = sum(us.values()) - apart
    moved = of["source"] + 2 * of["candidates"] + 2 * of["accepted"] + of["labels"] + of["survey"]
    for rows in (10**7, 10**8, 10**9):
        for nodes in (0, 1, 4, 16):
            serial = rows * alone_us / 3600e6
            hours = serial + rows * apart / 3600e6 / (nodes * 16 or 1)
            network = f"{rows * moved / 1e9:,.0f}" if nodes else "–"
            name = f"{nodes}" if nodes else "no Ray"
            in_all = f"{hours:,.1f} | {serial if nodes else hours:,.1f}"
            table.append(f"| {rows:,} | {name} | {in_all} | {rows * disk / 1e9:,.0f} | {network} |")
    hits = 1e9 * measured["hits_a_row"] * 100 / 1e6
    blocks += [
        "\n".join(table),
        "Held memory grows with the rows by one byte a row, which says what is in the mix (1 GB at a "
        "billion), and by some 100 bytes for each row that overlaps a benchmark, whose list is in "
        f"`report.json` ({measured['hits_a_row']:.3%} of these rows, {hits:,.0f} MB at a billion).",
        "## What breaks first",
        f"1. **One core.** Without Ray ten million rows take {1e7 * sum(us.values()) / 3600e6:,.1f} "
        "hours. A cluster of this machine alone (`ray start --head`) uses its other cores.",
        f"2. **The label cache**, of a machine alone: {of['label_cache']:,.0f} bytes a row in one "
        "SQLite file, in the order of hashes. Where the file no longer fits into free memory, each "
        "row costs a page read and written. On Ray only rows that run a program are kept there.",
        "3. **The machine that copies.** Accepted rows and the mix are one Parquet file (and one JSONL "
        f"file) each, written by one core: {1e9 * alone_us / 3600e6:,.0f} hours of a billion rows, "
        "however many nodes there are.",
        "4. **Signatures.** 128 bytes a row, read at random for each pair of rows that share a band: "
        "128 GB at a billion rows. Where they fit neither into memory nor onto a fast local disk, "
        "near-duplicates take as long as the file system takes to answer.",
        "5. **Ray's bookkeeping.** A row group is a task: a billion rows are 122,000 tasks a stage.",
    ]
    wrapped = [
        block
        if block.startswith(("|", "#"))
        else fill(
            block,
            130,
            break_on_hyphens=False,
            subsequent_indent="   " if block[:2] in ("1.", "2.", "3.", "4.", "5.") else "",
        )
        for block in blocks
    ]
    return "\n\n".join(wrapped) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs=2, default=(20_000, 100_000))
    parser.add_argument("--page", action="store_true", help="Write docs/scale.md.")
    parser.add_argument("--from-json", type=Path, help="Write the page from an earlier run's JSON.")
    parser.add_argument("--stage", choices=WORK, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.stage:
        memory = Memory()
        began = time.process_time()
        more = WORK[args.stage](args.folder) or {}
        cpu = time.process_time() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"cpu_s": cpu, "anon_mib": memory.end(), "peak_mib": peak} | more))
        return
    if args.from_json:
        measured = json.loads(args.from_json.read_text(encoding="utf-8"))
    else:
        measured = flat(size(args.rows[0]), size(args.rows[1]))
    if args.page:
        PAGE.write_text(page(measured), encoding="utf-8")
    if args.json:
        print(json.dumps(measured))
        return
    for name, value in measured.items():
        shown = f"{value:,.2f}" if isinstance(value, float) else str(value)
        print(f"{name:32} {shown:>14}  {BARS.get(name, '')}")


if __name__ == "__main__":
    main()
