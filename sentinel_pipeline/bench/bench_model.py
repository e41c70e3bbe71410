"""``sentinel bench``'s work: a model answers suites, the answers are scored, and the report is kept
as an artifact.

The report stands under ``data/runs/bench/MODEL/RUN_ID/`` with its samples, its tasks and its
answers; none is ever overwritten. The draft of a killed run is found again by the same question
(model, tasks, decoding). What this module does not do: print.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..critic.version import scorer_version
from ..errors import BadInput, Infrastructure
from ..generation.answers import Engine, answer_by
from ..generation.cache import AnswerCache
from ..generation.prompts import Prompt, prompts_of
from ..generation.targets import Target
from ..llm_judge.verdicts import add_verdicts
from ..records import BenchmarkReport, SampleScore, Task
from ..records.decoding import Decoding
from ..records.engine_spec import VllmSpec
from ..records.judge_spec import JudgeSpec
from ..records.task import suite_hash
from ..store import Draft, Home, Ledger, Store
from ..tasks.suites import PROMPT_FORMATS
from ..worker.failures import worker_error
from ..worker.jobs import AnswerJob, write_job
from ..worker.progress import last_row
from .evaluate import Judged, score_answers, write_report
from .lm_eval import write_results
from .samples import join_turns, pass_at

Progress = Callable[[int, int], None]
"""Called with (answers there, answers in all)."""
_POLL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Everything that decides what is asked."""

    target: Target
    suites: Mapping[str, Sequence[Task]]
    decoding: Decoding
    samples: int = 1
    ks: tuple[int, ...] = (1,)
    engine: Literal["transformers", "vllm", "server"] = "transformers"
    vllm: VllmSpec = field(default_factory=VllmSpec)
    """How vLLM is started, where it is the engine."""
    load_in_4bit: bool = False
    """Whether Transformers holds the weights in 4 bit."""
    use_cache: bool = True
    judge: JudgeSpec = field(default_factory=JudgeSpec)
    """Who judges ``judged_answer`` tasks, if anybody does."""

    def decoding_of(self, suite: str) -> Decoding:
        return replace(
            self.decoding, prompt_format=PROMPT_FORMATS.get(suite, self.decoding.prompt_format)
        )

    def prompts_of(self, suite: str) -> list[Prompt]:
        return prompts_of(self.suites[suite], self.samples)

    def key(self) -> str:
        tasks = {name: [task.to_row() for task in tasks] for name, tasks in self.suites.items()}
        what = [self.target.model_hash, tasks, asdict(self.decoding), self.samples, self.engine]
        what += ["4bit"] if self.load_in_4bit else []
        what += [self.vllm.quantization] if self.vllm.quantization != "none" else []
        return hashlib.sha256(
            json.dumps(what, sort_keys=True).encode("utf-8", "surrogatepass")
        ).hexdigest()[:16]


class Outcome(NamedTuple):
    """What came of it; ``pass_at`` by suite and k."""

    run_id: str
    folder: Path
    reports: list[BenchmarkReport]
    pass_at: dict[str, dict[str, float]]
    unanswered: int


@dataclass(slots=True)
class _Count:
    """Answers there, over all suites."""

    total: int
    progress: Progress
    before: int = 0
    done: dict[str, int] = field(default_factory=dict)

    def told(self, suite: str) -> Callable[[int, int, int], None]:
        def update(done: int, _: int, tokens: int) -> None:
            self.done[suite] = done
            self.progress(sum(self.done.values()), self.total)

        return update


def run_bench(home: Home, question: Question, ask: Engine | None, progress: Progress) -> Outcome:
    """Answer, score, report.

    Args:
        ask: a server's engine; None lets a child process answer with the target's weights.

    Raises:
        BadInput, GateRefused, Infrastructure: as the answering says; what was answered is kept, and
            the same call goes on.
    """
    run_id = str(uuid.uuid4())
    key = question.key()
    store = Store(home, "bench", run_id, key)
    slug = question.target.slug
    seed = question.decoding.seed
    writing = store.writing(slug, recipe_hash=key, seed=seed, keep=True)
    with _alone(home, key), writing as out:
        for name, tasks in question.suites.items():
            out.table(f"suites/{name}.parquet", (task.to_row() for task in tasks), "tasks")
        unanswered = answer_all(home, question, out.folder / "logs", ask, progress)
        if unanswered and ask is None:
            raise Infrastructure(
                f"{unanswered} items stayed unanswered: run the same command again."
            )
        for name, tasks in question.suites.items():
            answers = out.folder / "logs" / f"{name}.jsonl"
            add_verdicts(
                home, Ledger(home.ledger), question.judge, tasks, answers, samples=question.samples
            )
        reports, rates = _score(out, question)
    folder = store.get(question.target.slug).folder
    return Outcome(run_id, folder, reports, rates, unanswered)


@contextmanager
def _alone(home: Home, key: str) -> Iterator[None]:
    """One process a question: two would write the same draft."""
    home.state.mkdir(parents=True, exist_ok=True)
    with (home.state / f"bench-{key}.lock").open("a") as holder:
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Infrastructure(
                "another process is getting the same answers from this model: wait for it."
            ) from None
        yield


def answer_all(
    home: Home, question: Question, logs: Path, ask: Engine | None, progress: Progress
) -> int:
    """Fill ``logs/SUITE.jsonl`` for every suite, the cache first; returns how many items stay
    unanswered."""
    count = _Count(sum(len(question.prompts_of(name)) for name in question.suites), progress)
    cache = _cache(home, question) if question.use_cache else None
    # A killed command's worker may still be ending in a resumed draft: there only the device's next
    # owner may write.
    resumed = ask is None and any(logs.glob("*.jsonl"))
    if not resumed:
        missing = sum(
            _fill(question, logs, count, name, ask or _nobody, cache) for name in question.suites
        )
        if not missing or ask is not None:
            return missing
    # Run the worker and pass its progress on; its own words stand in `logs/worker.log`.
    job = _job(home, question, logs)
    command = [sys.executable, "-m", "sentinel_pipeline.run_job", str(job)]
    with (logs / "worker.log").open("ab") as sink:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
        )
        try:
            while child.poll() is None:
                time.sleep(_POLL_S)
                if row := last_row(logs / "progress.jsonl"):
                    progress(row["step"], row["total"])
        except BaseException:
            child.terminate()
            child.wait()
            raise
    if child.returncode:
        raise worker_error(job)
    return sum(_fill(question, logs, count, name, _nobody, cache) for name in question.suites)


def _cache(home: Home, question: Question) -> AnswerCache:
    return AnswerCache(home.answers, question.target.model_hash, question.engine)


def answers_stored(home: Home, question: Question, logs: Path) -> dict[str, int]:
    """How many of each suite's answers need no generation; ``logs`` is a scratch folder."""
    cache = _cache(home, question)
    folders = {}
    for name in question.suites:
        prompts = question.prompts_of(name)
        missing = answer_by(
            _nobody, prompts, question.decoding_of(name), logs / f"{name}.jsonl", None, cache
        )
        folders[name] = len(prompts) - missing
    return folders


def refuse_to_generate(home: Home, question: Question, logs: Path) -> None:
    """For a re-scoring. Raises BadInput: some answer is not there."""
    for name, stored in answers_stored(home, question, logs).items():
        missing = len(question.prompts_of(name)) - stored
        if missing:
            raise BadInput(
                f"{missing} items of {name} were never answered by {question.target.name} with this decoding.",
                field="--rescore",
                fix="Leave out --rescore to let it answer them.",
            )


def _nobody(prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Any]]:
    return iter(())


def _fill(
    question: Question,
    logs: Path,
    count: _Count,
    suite: str,
    engine: Engine,
    cache: AnswerCache | None,
) -> int:
    prompts = question.prompts_of(suite)
    decoding = question.decoding_of(suite)
    return answer_by(engine, prompts, decoding, logs / f"{suite}.jsonl", count.told(suite), cache)


def _job(home: Home, question: Question, logs: Path) -> Path:
    assert question.target.folder is not None and question.engine != "server"
    return write_job(
        AnswerJob(
            logs=logs,
            model=question.target.folder,
            suites={
                name: str(logs.parent / "suites" / f"{name}.parquet") for name in question.suites
            },
            device_lock=home.device_lock,
            decoding=question.decoding,
            samples=question.samples,
            engine=question.engine,
            vllm=question.vllm,
            load_in_4bit=question.load_in_4bit,
            cache=home.answers if question.use_cache else None,
            model_hash=question.target.model_hash,
            trust_remote_code=question.target.trust_remote_code,
        )
    )


def _score(
    out: Draft, question: Question
) -> tuple[list[BenchmarkReport], dict[str, dict[str, float]]]:
    """Every suite's report, and its pass@k where more than one sample was drawn (also
    ``SUITE/pass_at.json``)."""
    judged = Judged("bench", question.target.name, question.target.model_hash, scorer_version())
    reports = []
    failures = {}
    rates = {}
    for name, tasks in question.suites.items():
        answers = out.folder / "logs" / f"{name}.jsonl"
        scores = list(score_answers(tasks, answers, samples=question.samples, unanswered="infra"))
        report, failures[name] = write_report(
            out,
            name,
            scores,
            judged,
            _decoding(question, name),
            items=suite_hash(task.content_hash for task in tasks),
        )
        reports.append(report)
        if shares := _pass_at(scores, question.ks):
            rates[name] = shares
            out.json(f"{name}/pass_at.json", shares)
    write_results(out, reports, failures)
    return reports, rates


def _pass_at(scores: list[SampleScore], ks: tuple[int, ...]) -> dict[str, float]:
    try:
        return pass_at(join_turns(scores), ks)
    except ValueError:
        return {}


def _decoding(question: Question, suite: str) -> dict[str, Any]:
    settings = asdict(question.decoding_of(suite)) | {
        "samples": question.samples,
        "engine": question.engine,
        **({"load_in_4bit": True} if question.load_in_4bit else {}),
        **(
            {"quantization": question.vllm.quantization}
            if question.vllm.quantization != "none"
            else {}
        ),
    }
    del settings["batch_size"]
    return settings
