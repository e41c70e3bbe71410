"""The mix: near-duplicates and decontamination on one core beside their peers, and memory and time
from 100,000 rows to a million.

Rows are generated: functions of the standard library (about 1 KB) under made-up names and requests,
a tenth of them repeated and a twentieth repeated with one change. The peers, datasketch's and
datatrove's MinHash, work on the same rows in the same run. The sizes run in processes of their own:
label without execution, decontaminate, deduplicate, rebalance; peak resident memory is the
process's own.

python benchmarks/mix.py [--rows 4000] [--million] [--quotas 10000000] [--json]
"""

from __future__ import annotations

import argparse
import ast
import builtins
import itertools
import json
import keyword
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("RAYON_NUM_THREADS", "1")

from sentinel_pipeline.critic.labels import label
from sentinel_pipeline.mix import near
from sentinel_pipeline.mix.build import build_mix
from sentinel_pipeline.mix.decontam import decontaminate
from sentinel_pipeline.mix.dedup import find_duplicates
from sentinel_pipeline.mix.quotas import draw_quotas
from sentinel_pipeline.mix.suite_index import SuiteIndex
from sentinel_pipeline.mix.survey import draw, pool
from sentinel_pipeline.records import Candidate, Message, Task
from sentinel_pipeline.records.data_spec import MixSpec
from sentinel_pipeline.store import write_parquet
from sentinel_pipeline.store.catalog import workbench
from sentinel_pipeline.store.tables import table_writer
from sentinel_pipeline.tasks.task_bank import build

KEPT = {*keyword.kwlist, *dir(builtins)}
SPEC = MixSpec(shares={"executable_code": 0.6, "devops": 0.4}, minimum_quality="unverified")
BARS = {
    "near_rows_per_s": "bar 2,000 a core",
    "decontamination_rows_per_s": "bar 2,000 a core",
    "million_peak_mib": "bar 1,536",
    "million_times_time_a_row": "bar 1.2",
    "quotas_peak_mib": "bar 2,048",
}


def functions() -> list[str]:
    """Functions of the standard library, 500 to 1,800 characters."""
    found: list[str] = []
    for path in sorted(Path(os.__file__).parent.glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="replace")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef):
                code = textwrap.dedent(ast.get_source_segment(text, node) or "")
                if 500 <= len(code) <= 1800 and compiles(code):
                    found.append(code)
    return found


def _renamed(names: dict[str, str], match: re.Match[str]) -> str:
    return names.get(match[0], match[0])


def compiles(code: str) -> bool:
    try:
        compile(code, "row", "exec")
    except SyntaxError:
        return False
    return True


def candidates(count: int, seed: int = 1) -> Iterator[Candidate]:
    chance = random.Random(seed)
    sources, last = functions(), ("", "")
    for number in range(count):
        fate = chance.random()
        if fate > 0.15 or not last[0]:
            code = chance.choice(sources)
            names = sorted(set(re.findall(r"(?<![.\w])[a-z_]{4,}\b", code)) - KEPT)
            new = {
                name: f"{name}_{chance.randrange(10**6)}"
                for name in chance.sample(names, min(6, len(names)))
            }
            code = re.sub(r"(?<![.\w])[a-z_]{4,}\b", partial(_renamed, new), code)
            words = " ".join(f"part{chance.randrange(10**5)}" for _ in range(12))
            last = (f"Write a Python function for {words}.", code)
        elif fate < 0.05:
            last = (last[0], f"{last[1]}\n# {number}\nlast_value = {number}")
        category = "executable_code" if number % 3 else "devops"
        ask = (Message("user", last[0]),)
        yield Candidate(
            id=f"{number:08x}",
            source="generated",
            messages=ask,
            completion=last[1],
            category=category,
        )


def suite() -> list[Task]:
    """HumanEval and MBPP where their files are, else generated held-out items."""
    folder = Path(os.environ.get("SENTINEL_BENCHMARKS", "../shared/benchmarks"))
    if not folder.is_dir():
        return list(build(17, {}, {"functions": 500, "edits": 200, "tools": 200}, {}).heldout)
    from sentinel_pipeline.tasks.suites import load_suite

    files = {"humaneval": "humaneval/HumanEval.jsonl.gz", "mbpp": "mbpp/mbpp.jsonl"}
    return [task for name, path in files.items() for task in load_suite(name, data=folder / path)]


def rate_of(work: Callable[[], object], rows: int) -> float:
    began = time.process_time()
    work()
    return rows / (time.process_time() - began)


def rates(count: int) -> dict[str, Any]:
    """Rows a second of processor time, all on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    rows = list(candidates(count))
    tasks = suite()
    index = SuiteIndex(tasks)
    found: dict[str, Any] = {
        "rows": count,
        "bytes_a_row": sum(len(row.completion) for row in rows) / count,
    }
    found["items"] = len(tasks)
    near.signatures([near.shingles(rows[0].messages, rows[0].completion)])
    found["near_rows_per_s"] = rate_of(lambda: near_duplicates(rows), count)
    found["decontamination_rows_per_s"] = rate_of(lambda: [index.find(row) for row in rows], count)
    if find_spec("datasketch"):
        found["datasketch_rows_per_s"] = rate_of(lambda: datasketch(rows), count)
        found["times_datasketch"] = found["near_rows_per_s"] / found["datasketch_rows_per_s"]
    if find_spec("datatrove"):
        found |= datatrove(rows[:500], tasks, found)
    os.sched_setaffinity(0, cores)
    return found


def near_duplicates(rows: list[Candidate]) -> None:
    for start in range(0, len(rows), 1024):
        sets = [near.shingles(row.messages, row.completion) for row in rows[start : start + 1024]]
        near.bands(near.signatures(sets), SPEC.near_duplicates)


def datasketch(rows: list[Candidate]) -> None:
    """The same sets, as many minima; signatures and bands, without a look for neighbours, as
    ours."""
    from datasketch import MinHash

    for row in rows:
        for part in near.shingles(row.messages, row.completion):
            MinHash(num_perm=near.HALF).update_batch([each.encode() for each in part])


def datatrove(rows: list[Candidate], tasks: list[Task], ours: dict[str, Any]) -> dict[str, Any]:
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    from datatrove.utils.hashing import HashConfig

    found: dict[str, Any] = {}
    try:
        hashing = HashConfig(
            hash_fc="sha1"
        )  # its xxhash gives the library text, which newer versions of that refuse
        config = MinhashConfig(num_buckets=16, hashes_per_bucket=8, hash_config=hashing)
        step = MinhashDedupSignature("/nonexistent", config)
        texts = [
            Document(text=f"{row.messages[0].content}\n{row.completion}", id=row.id) for row in rows
        ]
        work = lambda: [step.get_signature(step.get_shingles(text.text)) for text in texts]  # noqa: E731
        found["datatrove_rows_per_s"] = rate_of(work, len(rows))
        found["times_datatrove"] = ours["near_rows_per_s"] / found["datatrove_rows_per_s"]
    except ImportError as error:
        found["datatrove"] = f"not measured: {error}"[:120]
    return found


def size(count: int, folder: Path) -> dict[str, Any]:
    """Label, decontaminate, deduplicate, rebalance ``count`` rows; processor seconds of each step,
    peak resident memory."""
    began, began_wall = time.process_time(), time.perf_counter()
    marks: dict[str, float] = {}

    def mark(name: str) -> None:
        marks[name] = round(time.process_time() - began - sum(marks.values()), 2)

    functions_of, shown = itertools.tee(candidates(count), 2)
    with table_writer(folder / "accepted.parquet", "candidates") as table:
        for row, labels in zip(functions_of, label(shown), strict=True):
            if labels.accepted.value:
                table.append(row.to_row())
    write_parquet(folder / "repairs.parquet", [], "repairs")
    mark("label")
    tables = folder / "accepted.parquet", folder / "repairs.parquet"
    report = decontaminate((entry.candidate for entry in pool(*tables)), suite())
    mark("decontaminate")
    banned = {hit.id for hit in report.hits}
    with build_mix(*tables, banned=banned, spec=SPEC, seed=1, scratch=folder) as mix:
        rows = write_parquet(folder / "rows.parquet", (row.to_row() for row in mix.rows), "rows")
        write_parquet(folder / "left.parquet", (one._asdict() for one in mix.left_out), "left_out")
    mark("mix")
    own = {
        "rows": count,
        "accepted": table.rows,
        "in_the_mix": rows,
        "left_out": mix.report.left_out,
    }
    wall = round(time.perf_counter() - began_wall, 1)
    spent = {"cpu_seconds": marks, "wall_s": wall, "us_a_row": sum(marks.values()) / count * 1e6}
    return own | spent | {"peak_mib": peak_mib()}


def quotas(count: int, folder: Path) -> dict[str, Any]:
    """``count`` surveyed rows through duplicates by hash and quotas."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sql = [(name, pa.int64()) for name in ("pos",)] + [
        (name, pa.string()) for name in ("id", "origin", "source", "category")
    ]
    sql += [
        ("why", pa.string()),
        ("left_out", pa.string()),
        ("weight", pa.int64()),
        ("draw", pa.float64()),
    ]
    schema = pa.schema([*sql, ("exact", pa.binary(16)), ("form", pa.binary(16))])
    shares = list(SPEC.shares)
    with pq.ParquetWriter(folder / "survey.parquet", schema) as writer:
        for start in range(0, count, 100_000):
            span = range(start, min(start + 100_000, count))
            digests = [(number - number % 10 // 9).to_bytes(16, "big") for number in span]
            columns = [
                list(span),
                [f"{n:x}" for n in span],
                ["candidate"] * len(span),
                [f"s{n % 7}" for n in span],
            ]
            columns += [[shares[n % 2] for n in span], ["given"] * len(span), [None] * len(span)]
            columns += [
                [1 + n % 300 for n in span],
                [draw(1, str(n)) for n in span],
                digests,
                digests,
            ]
            writer.write_table(
                pa.table(
                    [pa.array(c, t.type) for c, t in zip(columns, schema, strict=True)],
                    schema=schema,
                )
            )
    del columns, digests
    spec = MixSpec(
        shares=SPEC.shares,
        unit="tokens",
        near_duplicates=1.0,
        source_caps={"s1": 10**6},
        memory_mib=1024,
    )
    began = time.perf_counter()
    with workbench(folder / "spill", spec.memory_mib) as bench:
        bench.view("survey", folder / "survey.parquet")
        find_duplicates(bench, folder, count, spec)
        _, made = draw_quotas(bench, spec)
    seconds = time.perf_counter() - began
    return {
        "rows": count,
        "taken": sum(q.rows for q in made),
        "seconds": seconds,
        "peak_mib": peak_mib(),
    }


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(step: str, count: int) -> dict[str, Any]:
    """A step in a process of its own."""
    command = [sys.executable, __file__, "--step", step, "--rows", str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--quotas", type=int, default=0)
    parser.add_argument("--step", choices=("size", "quotas"), help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.step:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps({"size": size, "quotas": quotas}[args.step](args.rows, Path(folder))))
        return
    found = rates(args.rows)
    hundred = alone("size", 100_000)
    found |= {f"hundred_thousand_{name}": value for name, value in hundred.items()}
    if args.million:
        million = alone("size", 1_000_000)
        found |= {f"million_{name}": value for name, value in million.items()}
        found["million_times_time_a_row"] = million["us_a_row"] / hundred["us_a_row"]
    if args.quotas:
        found |= {f"quotas_{name}": value for name, value in alone("quotas", args.quotas).items()}
    if args.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        shown = f"{value:,.2f}" if isinstance(value, float) else str(value)
        print(f"{name:32} {shown:>12}  {BARS.get(name, '')}")


if __name__ == "__main__":
    main()
