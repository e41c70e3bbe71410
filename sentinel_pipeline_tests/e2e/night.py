"""A night with faults, as it is for real: Dagster's daemon launches ``nightly_at_two`` for three
small recipes, and meanwhile a trainer and the daemon are killed, the disk fills up, an artifact is
corrupted, the judge does not answer.

``python -m sentinel_pipeline_tests.e2e.night FOLDER`` injects them and prints one JSON object of
what was left in the morning; it judges nothing. FOLDER, an empty one, becomes a small disk of its
own. Exit code 77: this user may mount nothing here.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy.exc import OperationalError

from sentinel_pipeline.defs.dead_runs import _worker
from sentinel_pipeline.generation.targets import served
from sentinel_pipeline.llm_judge.ask import identity
from sentinel_pipeline.llm_judge.licence import Licence, licence_verdict
from sentinel_pipeline.store import Home, Ledger, Store
from sentinel_pipeline.store.verify import finished
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.e2e.conftest import RECIPES, new_home
from sentinel_pipeline_tests.e2e.disk import NO_MOUNT, fill, own_disk
from sentinel_pipeline_tests.generation.served import serving

NAMES = ("first", "second", "third")
"""In the order in which the queue runs them, one at a time."""
DISK_MIB = 256
LOCATION = "night"
_SUBREAPER = 36
"""``PR_SET_CHILD_SUBREAPER`` of ``prctl(2)``."""
_JUDGED = """
[judge.model]
name = "judge"
base_url = "{url}"

[gates.judged]
metric = "pass_at_1"
stage = "base"
suite = "letters"
threshold = 0.9

[gates.capability_gap]
metric = "pass_at_1"
stage = "base"
direction = "at_least"
threshold = 0.9
"""
"""A model that can do nothing is asked for 90 %: it must fail. And a suite that only the judge can
score."""
_RUBRIC = "The letter is polite."


@dataclass
class Morning:
    """What was done, and what was found."""

    injected: dict[str, str] = field(default_factory=dict)
    """Fault -> the words that tell it apart: a digest that names the fault holds them."""
    digest: str = ""
    statuses: dict[str, str] = field(default_factory=dict)
    """Recipe -> status of its run."""
    made: dict[str, list[str]] = field(default_factory=dict)
    """Recipe -> assets that have an artifact."""
    lost: list[str] = field(default_factory=list)
    """Artifacts that were once seen finished and are not there."""
    verdicts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Recipe -> gate -> verdict."""
    verify: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


class Night:
    """The project folder, the daemon, and the events of the night."""

    def __init__(self, home: Home, module: str) -> None:
        self.home, self.seen = home, set[str]()
        self.ballast = home.root / "ballast"
        place = {"module_name": module, "working_directory": str(ROOT), "location_name": LOCATION}
        (home.root / "workspace.yaml").write_text(
            json.dumps({"load_from": [{"python_module": place}]})
        )
        home.dagster.mkdir(parents=True)
        settings = (
            (ROOT / "dagster.yaml")
            .read_text()
            .replace("max_concurrent_runs: 4", "max_concurrent_runs: 1")
        )
        (home.dagster / "dagster.yaml").write_text(settings)
        os.environ |= {
            "SENTINEL_HOME": str(home.root), "DAGSTER_HOME": str(home.dagster), "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
        }  # fmt: skip
        self.two_oclock()
        self.daemon = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        command = [
            str(Path(sys.executable).with_name("dagster-daemon")),
            "run",
            "-w",
            str(self.home.root / "workspace.yaml"),
        ]
        with Path(os.environ.get("SENTINEL_NIGHT_LOG", "/dev/null")).open("ab") as log:
            return subprocess.Popen(command, cwd=self.home.root, stdout=log, stderr=log)

    @contextmanager
    def instance(self) -> Iterator[Any]:
        import dagster as dg

        with dg.DagsterInstance.get() as instance:
            yield instance

    def until(self, true: Callable[[], Any], seconds: float = 900.0) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            self.seen |= {str(path.relative_to(self.home.runs)) for path in finished(self.home)}
            with suppress(
                OSError, OperationalError
            ):  # the disk may be full, and Dagster's database with it
                if found := true():
                    return found
            assert self.daemon.poll() is None, (
                f"the daemon ended by itself: {self.daemon.returncode}"
            )
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited in vain for {true}: {self.statuses()}")
            time.sleep(0.3)

    def two_oclock(self) -> None:
        """Make the schedule believe that it was on since yesterday: its last tick was missed, and
        the daemon catches it up."""
        from dagster._core.remote_origin import (
            ManagedGrpcPythonEnvCodeLocationOrigin,
            RemoteRepositoryOrigin,
        )
        from dagster._core.scheduler.instigation import (
            InstigatorState,
            InstigatorStatus,
            InstigatorType,
            ScheduleInstigatorData,
        )
        from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

        place = ManagedGrpcPythonEnvCodeLocationOrigin(
            LoadableTargetOrigin(module_name="-"), LOCATION
        )
        origin = RemoteRepositoryOrigin(place, "__repository__").get_instigator_origin(
            "nightly_at_two"
        )
        data = ScheduleInstigatorData("0 2 * * *", time.time() - 86_400)
        state = InstigatorState(
            origin, InstigatorType.SCHEDULE, InstigatorStatus.DECLARED_IN_CODE, data
        )
        with (
            self.instance() as instance
        ):  # before the daemon: two processes that make Dagster's tables at once collide
            instance.add_instigator_state(state)

    def statuses(self) -> dict[str, str]:
        """Recipe -> status of its run; empty while Dagster's database cannot be read."""
        with suppress(OperationalError), self.instance() as instance:
            runs = instance.get_runs()
            return {
                run.tags["dagster/partition"]: run.status.value
                for run in runs
                if "dagster/partition" in run.tags
            }
        return {}

    def is_over(self, name: str) -> bool:
        return self.statuses().get(name) in ("SUCCESS", "FAILURE", "CANCELED")

    def worker(self, name: str) -> psutil.Process | None:
        """The process that works on the run of ``name``, once there is one."""
        with self.instance() as instance:
            run = next(
                run for run in instance.get_runs() if run.tags.get("dagster/partition") == name
            )
            started = _worker(instance, run)
        return psutil.Process(started[0]) if started else None

    def trainer(self) -> psutil.Process | None:
        """The worker that trains now, once it has made a step."""
        if not list(self.home.runs.glob("first/base_checkpoint/.draft-*/logs/progress.jsonl")):
            return None
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or ["-"]
            if "sentinel_pipeline.run_job" in words and str(self.home.root) in words[-1]:
                return process
        return None


def spend(folder: Path, module: str, recipe: str) -> Morning:
    """The whole night; ``recipe`` is the TOML of each of the three."""
    began, morning = time.monotonic(), Morning()
    with serving(lambda body: (503, "", {"retry-after": "0"})) as judge:
        home = new_home(folder, [RECIPES / "mini.toml"])
        (home.recipes / "mini.toml").unlink()
        # Killed after a step and long before the last: a worker that is done leaves at once.
        long = recipe.replace("pretrain_steps = 4\n", "pretrain_steps = 400\n")
        for name in NAMES:
            (home.recipes / f"{name}.toml").write_text(
                f"nightly = true\n{long if name == 'first' else recipe}"
            )
        _third(home, recipe, judge.url)
        night = Night(home, module)
        try:
            _faults(night, morning)
            _gather(night, morning)
        finally:
            for process in [*psutil.Process(os.getpid()).children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
    morning.seconds = round(time.monotonic() - began, 1)
    return morning


def _third(home: Home, recipe: str, url: str) -> None:
    """The third recipe's gates, its suite of letters, and the licence that its judge got while it
    still answered."""
    text = recipe.replace("[bench]\n", '[bench]\nsuites = ["heldout", "smoke", "letters"]\n')
    (home.recipes / "third.toml").write_text(f"nightly = true\n{text}{_JUDGED.format(url=url)}")
    verifier = {"kind": "judged_answer", "rubric": _RUBRIC}
    rows = [
        {"prompt": f"Write letter {n}.", "verifier": verifier, "category": "general_chat"}
        for n in range(4)
    ]
    (home.suites / "letters.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    who = identity("judge", served(url, "judge").model_hash, _RUBRIC)
    bars = home.recipe("third").judge
    Ledger(home.ledger).record(
        licence_verdict(who, bars, Licence("pass", 1.0, None, 120, ())), recipe="-", run_id="-"
    )


def _faults(night: Night, morning: Morning) -> None:
    home = night.home
    night.until(night.trainer).kill()
    morning.injected["trainer killed"] = "first: the run failed. base_checkpoint: "
    night.until(lambda: list(home.runs.glob("first/task_bank/*/manifest.json")))
    night.daemon.send_signal(signal.SIGKILL)
    night.daemon.wait()
    night.daemon = night.start()
    morning.injected["daemon killed"] = "Dagster's daemon was away between"
    night.until(lambda: night.is_over("first"))
    damaged = Store(home, "first", "-", "-").get("task_bank")
    _flip(damaged.path("train.parquet"))
    morning.injected["artifact corrupted"] = (
        f"first/task_bank/{damaged.manifest.run_id}/train.parquet is damaged"
    )
    night.until(lambda: night.statuses().get("second") == "STARTED")
    worker = night.until(lambda: night.worker("second"))
    fill(night.ballast, leave=128 * 1024)
    morning.injected["disk filled"] = "second: the run failed. "
    with suppress(TimeoutError):
        night.until(lambda: night.is_over("second") or not works(worker), 180)
    night.ballast.unlink()
    night.until(lambda: night.is_over("second"))
    morning.injected["judge down"] = (
        "third: base_report, letters: 4 of 4 items have no score. Mostly: the judge did not answer"
    )
    night.until(lambda: night.is_over("third"))


def works(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _gather(night: Night, morning: Morning) -> None:
    home = night.home
    page = night.until(lambda: next(home.digests.glob("*.md"), None))
    morning.digest = page.read_text()
    morning.statuses = night.statuses()
    there = {str(path.relative_to(home.runs)) for path in finished(home)}
    morning.lost = sorted(night.seen - there)
    for name in NAMES:
        morning.made[name] = sorted(
            {path.split("/")[1] for path in there if path.startswith(f"{name}/")}
        )
        morning.verdicts[name] = {
            one.name: one.verdict for one in Ledger(home.ledger).verdicts(recipe=name)
        }
    command = [
        sys.executable,
        "-c",
        "from sentinel_pipeline.cli import main; main()",
        "verify",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=home.root)
    morning.verify = {"code": done.returncode, **json.loads(done.stdout)}


def main(argv: list[str]) -> int:
    ctypes.CDLL(None).prctl(
        _SUBREAPER, 1, 0, 0, 0
    )  # what the killed daemon leaves behind is ours to end
    folder = Path(argv[0]).resolve()
    module = argv[1] if len(argv) > 1 else "sentinel_pipeline_tests.e2e.night_defs"
    try:
        own_disk(folder, DISK_MIB)
    except OSError as error:
        print(f"no disk of one's own: {error}", file=sys.stderr)
        return NO_MOUNT
    morning = spend(folder, module, (RECIPES / "mini.toml").read_text())
    print(json.dumps(vars(morning) | {"at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds")}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
