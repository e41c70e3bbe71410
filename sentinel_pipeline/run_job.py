"""The worker process: ``python -m sentinel_pipeline.run_job JOB.json`` runs one job and ends.

The same process runs under Dagster Pipes (its variables are in the environment) and from a command
line. It dies with its parent, holds the device alone, turns SIGINT and SIGTERM into "save, then
stop", and exits with the code of ``errors``; why it gave up stands in ``failure.json`` beside the
job. It trains nothing itself.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

from . import advice
from .costs import note_attempt
from .errors import (
    EXIT_BAD_INPUT,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INFRASTRUCTURE,
    Infrastructure,
    SentinelError,
)
from .generation.answers import Answer, Engine
from .generation.prompts import Prompt
from .processes import die_with_parent
from .records.decoding import Decoding
from .records.printable import visible
from .records.stages import load
from .secrets import mask_error
from .store import read_parquet, write_json
from .training.loop.out_of_memory import with_remedies
from .training.loop.windows import Scorer, critic_scorer
from .worker import ranks
from .worker.device import hold_devices, is_out_of_memory, prepare_cpu, require_usable
from .worker.failures import Failure, read_failure, write_failure
from .worker.interrupts import Interrupts
from .worker.job_kinds import devices_of
from .worker.jobs import AnswerJob, Job, PretrainJob, SelfInstructJob, TuneJob, read_job
from .worker.launch import STOP, launch, launched_elsewhere
from .worker.progress import Progress, Say, peak_host_mib, terminal_say
from .worker.remote_code import allow_remote_code

PIPES_VARIABLES = ("DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES")
_ENVIRONMENT = {
    # A thread that spins at a barrier keeps the one it waits for off a busy core: on a loaded
    # two-core machine small matrix products ran a thousand times slower. Read once, when OpenMP is
    # loaded: set before anything imports torch. A spin of half a millisecond at most keeps an idle
    # machine's barriers cheap: steps of tiny's SFT took 0.23 s with a tenth of it and 0.17 s so.
    # Beside three busy processes they took 0.90 s with a tenth, 0.97 s with half, 1.10 s with twice
    # of it.
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "10000",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TQDM_DISABLE": "1",
}


class Channel(NamedTuple):
    """Where words and the final report go."""

    say: Say
    report: Callable[[dict[str, Any]], None]


def run_job(
    job: Job,
    say: Say | None = None,
    interrupts: Interrupts | None = None,
    scorer: Scorer = critic_scorer,
) -> dict[str, Any]:
    """Run ``job`` in this process and write ``logs/result.json``, which is returned: what was
    reached, seconds, peak memory.

    Raises:
        BadInput, Infrastructure: see the kind's own function; run the same job again to resume.
    """
    set_environment()
    say = (say or terminal_say()) if ranks.is_main() else lambda text: None
    job.logs.mkdir(parents=True, exist_ok=True)
    progress = Progress(job.logs / "progress.jsonl" if ranks.is_main() else None, job.kind, say)
    # Launched processes hold no lock: their launcher does, or the cluster counts its devices.
    launched = bool(os.environ.get(ranks.LAUNCHED))
    with hold_devices(None if launched else job.device_lock, devices_of(job), say):
        started = time.monotonic()
        _note(job, "start")
        try:
            be_quiet()
            prepare_cpu(ranks.world())
            if not isinstance(job, PretrainJob) and job.trust_remote_code:
                allow_remote_code(progress.note)
            # vLLM looks for its device itself, and servers have theirs.
            if getattr(job, "engine", "transformers") == "transformers":
                require_usable(progress.note)
            reached = _dispatch(job, progress, interrupts or Interrupts(), scorer)
        finally:
            _note(job, "end")
    if not ranks.is_main():
        return reached
    seconds = round(time.monotonic() - started, 3)
    result = {**reached, "seconds": seconds, "peak_memory_mib": peak_host_mib()}
    write_json(job.logs / "result.json", result)
    return result


def _note(job: Job, event: str) -> None:
    if ranks.is_main():
        note_attempt(job.logs, event)


def _dispatch(
    job: Job, progress: Progress, interrupts: Interrupts, scorer: Scorer
) -> dict[str, Any]:
    if isinstance(job, PretrainJob):
        from .training.embedded.embedded_model import pretrain

        return pretrain(job, progress, interrupts)
    if isinstance(job, TuneJob):
        train = load(job.stage.trainer)
        return with_remedies(
            job, lambda tried: dict(train(tried, progress, interrupts, scorer)), progress
        )
    if isinstance(job, SelfInstructJob):
        return write_instructions(job, progress, interrupts)
    return answer_suites(job, progress, interrupts)


def write_instructions(
    job: SelfInstructJob, progress: Progress, interrupts: Interrupts
) -> dict[str, Any]:
    """Self-generated rows into ``logs/attempts.jsonl``, round after round; rounds that are there
    are skipped."""
    from .generation.guards import plain_tokenizer
    from .generation.loading import load_tokenizer
    from .generation.prompts import special_tokens
    from .generation.self_instruct import Writer, critic_judge, summary

    tokenizer = load_tokenizer(job.model)
    guards = plain_tokenizer(tokenizer)
    write_json(job.logs / "guards.json", guards._asdict())
    progress.note(
        f"chat template None, none of {guards.special_tokens} special tokens in plain text: verified"
    )
    ends = sorted(
        {str(tokenizer.convert_ids_to_tokens(token)) for token in special_tokens(tokenizer)}
    )
    counted = 0

    def report_progress(accepted: int, tried: int, tokens: int) -> None:
        nonlocal counted
        progress.update(accepted, job.spec.rows, tokens=tokens - counted, attempts=tried)
        counted = tokens
        hours = progress.expected_hours(accepted, job.spec.rows)
        if hours > advice.SLOW_HOURS:
            section = "candidates.self_generated.response_tokens"
            text = advice.slow_generation(hours, job.engine, section, 0.0)
            progress.advise(advice.SLOW, text)
        interrupts.stop_if_asked(tried)

    with ExitStack() as opened:
        writer = Writer(
            engine=_load_engine(job, opened, tokenizer), spec=job.spec, shares=job.shares, seed=job.seed,
            batch_size=job.batch_size, ends=ends, judge=critic_judge(job.critic),
        )  # fmt: skip
        writer.write(job.logs / "rounds.jsonl", report_progress)
    return {"kind": job.kind, "tokens": writer.tokens, **summary(writer.attempts, job.spec)}


def answer_suites(job: AnswerJob, progress: Progress, interrupts: Interrupts) -> dict[str, Any]:
    """Every suite's answers into ``logs/SUITE.jsonl``; items that are answered already are
    skipped."""
    from .generation.answers import answer_by
    from .generation.cache import AnswerCache
    from .generation.prompts import prompts_of
    from .records import Task
    from .tasks.suites import PROMPT_FORMATS

    suites: dict[str, list[Prompt]] = {
        name: prompts_of((Task.from_row(row) for row in read_parquet(Path(path))), job.samples)
        for name, path in job.suites.items()
    }
    way = "-".join([job.engine, *(["4bit"] if job.load_in_4bit else [])])
    if job.engine == "vllm" and job.vllm.quantization != "none":
        way = f"vllm-{job.vllm.quantization}"
    cache = AnswerCache(job.cache, job.model_hash, way) if job.cache and job.model_hash else None
    total = sum(len(prompts) for prompts in suites.values())
    before = 0
    generated = 0
    unanswered = 0
    with ExitStack() as opened:
        engine = _engine(job, opened)
        for name, prompts in suites.items():
            counted = 0

            def report_progress(done: int, _: int, tokens: int, before: int = before) -> None:
                nonlocal counted
                progress.update(before + done, total, tokens=tokens - counted)
                counted = tokens
                hours = progress.expected_hours(before + done, total)
                if hours > advice.SLOW_HOURS:
                    section = "bench.max_new_tokens"
                    heat = job.decoding.temperature
                    text = advice.slow_generation(hours, job.engine, section, heat)
                    progress.advise(advice.SLOW, text)
                interrupts.stop_if_asked(before + done)

            decoding = replace(
                job.decoding, prompt_format=PROMPT_FORMATS.get(name, job.decoding.prompt_format)
            )
            out = job.logs / f"{name}.jsonl"
            unanswered += answer_by(engine, prompts, decoding, out, report_progress, cache)
            before += len(prompts)
            generated += counted
    if unanswered:
        raise Infrastructure(
            f"{unanswered} of {total} items have no answer: what was answered is kept; run again to ask for the rest."
        )
    return {"kind": job.kind, "items": total, "tokens": generated}


def _engine(job: AnswerJob, opened: ExitStack) -> Engine:
    """The job's engine; a model is loaded when it is first asked: what is in the cache needs
    none."""
    from .generation.loading import check_folder

    check_folder(job.model)
    loaded: list[Engine] = []

    def ask(prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Answer]]:
        if not loaded:
            loaded.append(_load_engine(job, opened))
        return loaded[0](prompts, decoding)

    return ask


def _load_engine(
    job: AnswerJob | SelfInstructJob, opened: ExitStack, tokenizer: Any = None
) -> Engine:
    if job.engine == "vllm":
        from .generation.vllm_engine import vllm_engine

        return opened.enter_context(vllm_engine(job.model, job.vllm))
    if job.engine == "server":
        from .generation.server import Server, spec_of

        server = opened.enter_context(Server(spec_of(job.server)))
        server.require_serves(job.model)
        return server
    from .generation.engine import engine_of
    from .generation.loading import load_model, load_tokenizer

    model = load_model(job.model, load_in_4bit=job.load_in_4bit)
    return engine_of(model, tokenizer or load_tokenizer(job.model))


def set_environment() -> None:
    """What libraries read when they are loaded, for this process: before anything imports torch,
    looking for devices included. What the user set stays."""
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)


def be_quiet() -> None:
    """Libraries' own progress bars off, for this process; a terminal of the user's own stays as it
    was set."""
    set_environment()
    import warnings

    import transformers

    warnings.filterwarnings("ignore", category=FutureWarning)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


@contextmanager
def reporting() -> Iterator[Channel]:
    """Dagster Pipes where its variables are set, standard error elsewhere."""
    if not all(name in os.environ for name in PIPES_VARIABLES):
        yield Channel(terminal_say(), lambda payload: None)
        return
    from dagster_pipes import open_dagster_pipes

    with open_dagster_pipes() as pipes:
        yield Channel(pipes.log.info, pipes.report_custom_message)


def main(arguments: list[str]) -> int:
    """Run the job file named by the one argument; returns the exit code."""
    die_with_parent()
    if len(arguments) != 1:
        print("usage: python -m sentinel_pipeline.run_job JOB.json", file=sys.stderr)
        return EXIT_BAD_INPUT
    path = Path(arguments[0])
    interrupts = Interrupts()
    interrupts.install()
    with reporting() as channel:
        try:
            job = read_job(path)
            if launched_elsewhere(job):
                result = launch(path, cast("TuneJob[Any]", job), channel.say, interrupts)
            else:
                interrupts.file = job.logs / STOP if os.environ.get(ranks.LAUNCHED) else None
                result = run_job(job, channel.say, interrupts)
        except Exception as error:
            failure = failure_of(error, path)
            channel.say(f"gave up: {failure.message}")
            # Of several processes the first to fail says why; the others only lose their peer.
            if path.parent.is_dir() and (ranks.world() == 1 or read_failure(path) is None):
                with suppress(OSError):  # the disk may be full
                    write_failure(path, failure)
            channel.report({"failure": failure._asdict()})
            if failure.exit_code == EXIT_FAILED:
                sys.stderr.write(visible(mask_error(traceback.format_exc())))
            return failure.exit_code
        channel.report({"result": result})
    return EXIT_DONE


def failure_of(error: Exception, path: Path | None = None) -> Failure:
    """Whose fault ``error`` is: our own errors say it; memory, disk and device are infrastructure;
    the rest is a defect. ``path`` is of the job, which knows what would need less memory."""
    if isinstance(error, SentinelError):
        return Failure(error.exit_code, str(error))
    text = mask_error(f"{type(error).__name__}: {error}")
    if is_out_of_memory(error):
        reason = f"{text}. {_less_memory(path)}, or free memory; run again to resume."
        return Failure(EXIT_INFRASTRUCTURE, reason)
    if "CUDA error" in text:
        reason = f"{text}. Look at the device (sentinel doctor); run again to resume."
        return Failure(EXIT_INFRASTRUCTURE, reason)
    if (
        isinstance(error, OSError) or os.strerror(errno.ENOSPC) in text
    ):  # a native library's own error type
        return Failure(EXIT_INFRASTRUCTURE, f"{text}. Run again to resume.")
    return Failure(EXIT_FAILED, text)


def _less_memory(path: Path | None) -> str:
    job = None
    with suppress(SentinelError):
        job = read_job(path) if path is not None else None
    if isinstance(job, TuneJob):
        return advice.out_of_memory(job.kind)
    if isinstance(job, (AnswerJob, SelfInstructJob)):
        return advice.out_of_memory_answering()
    return "Lower the batch size"


def leave(code: int) -> NoReturn:
    """End this process at once: with the large libraries loaded, tidying up its memory takes more
    than a second.

    Where it is one of several, or has children of its own, it ends as Python does.
    """
    if ranks.world() > 1 or multiprocessing.active_children():
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
