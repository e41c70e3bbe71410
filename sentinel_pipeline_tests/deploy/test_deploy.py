"""What lies under ``deploy/`` is loaded by the programs it is for: Dagster on PostgreSQL, systemd,
YAML."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from sentinel_pipeline.alerts.rules import AlertRules, Rule
from sentinel_pipeline.defs.alerts import noticed
from sentinel_pipeline.defs.dead_runs import PID_TAG
from sentinel_pipeline.defs.digest import nightly_digest
from sentinel_pipeline.defs.nightly import NIGHT_TAG
from sentinel_pipeline.defs.stage import RECIPES
from sentinel_pipeline.store import Home
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.postgres import empty

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


@pytest.fixture
def instance(
    home: Home, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """The instance that ``dagster-postgres.yaml`` describes, on a server of its own."""
    empty(postgres)
    shutil.copy(DEPLOY / "dagster-postgres.yaml", home.dagster / "dagster.yaml")
    written = next(
        line
        for line in (DEPLOY / "systemd/environment").read_text().splitlines()
        if "DAGSTER_DATABASE_URL" in line
    )
    driver = written.partition("=")[2].partition(":")[0]
    monkeypatch.setenv("SENTINEL_DAGSTER_DATABASE_URL", postgres.replace("postgresql", driver, 1))
    with dg.DagsterInstance.get() as made:
        made.add_dynamic_partitions(str(RECIPES.name), ["tiny"])
        yield made


@pytest.mark.postgres
def test_runs_checks_alerts_and_the_digest_work_on_postgres(
    instance: dg.DagsterInstance, home: Home
) -> None:
    assert {type(one).__name__ for one in (instance.run_storage, instance.event_log_storage, instance.schedule_storage)} == {
        "PostgresRunStorage", "PostgresEventLogStorage", "PostgresScheduleStorage",
    }  # fmt: skip

    @dg.asset(partitions_def=RECIPES)
    def report() -> None:
        """Something to check."""

    @dg.asset_check(asset=report, partitions_def=RECIPES)
    def pass_at_1() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description="31 %")

    job = dg.define_asset_job("nightly", selection=dg.AssetSelection.all(), partitions_def=RECIPES)
    defs = dg.Definitions(assets=[report], asset_checks=[pass_at_1], jobs=[job])
    tags = {NIGHT_TAG: "2026-01-02"}
    done = defs.resolve_job_def("nightly").execute_in_process(
        instance=instance, partition_key="tiny", tags=tags
    )
    rules = AlertRules(link="http://ui", rules=(Rule(on="check_failed", to=()),))
    assert [alert.key for alert in noticed(instance, home, rules, since=0)] == [
        f"check_failed/{done.run_id}/report/pass_at_1"
    ]
    from dagster import DagsterRunStatus
    from dagster._core.test_utils import create_run_for_test

    dead = {**tags, "dagster/partition": "tiny", PID_TAG: "4194304:gone-1"}
    create_run_for_test(instance, job_name="nightly", status=DagsterRunStatus.STARTED, tags=dead)
    nightly_digest(dg.build_sensor_context(instance=instance))
    nightly_digest(dg.build_sensor_context(instance=instance))
    page = (home.digests / "2026-01-02.md").read_text()
    assert (
        "the run failed. its process has ended" in page
        and f"| tiny | {done.run_id[:8]} | done |" in page
    )


def test_but_for_its_storage_it_is_the_projects_own_instance() -> None:
    ours, theirs = (
        yaml.safe_load(path.read_text())
        for path in (ROOT / "dagster.yaml", DEPLOY / "dagster-postgres.yaml")
    )
    assert list(theirs.pop("storage")) == ["postgres"]
    assert theirs == ours


def test_systemd_accepts_every_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing")
    place = tmp_path / "srv" / "sentinel" / ".venv"
    place.parent.mkdir(parents=True)
    place.symlink_to(Path(sys.prefix))
    for unit in (DEPLOY / "systemd").glob("sentinel*"):
        text = unit.read_text().replace("/srv/sentinel/.venv", str(place))
        (tmp_path / unit.name).write_text(text)
    units = [str(tmp_path / unit.name) for unit in (DEPLOY / "systemd").glob("sentinel*")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True
    )
    ours = [line for line in done.stderr.splitlines() if "sentinel" in line]
    assert not ours, done.stderr


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "containers" / "compose.yaml").read_text())["services"])


def commands() -> dict[str, str]:
    found = {
        unit.stem: re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.M)[0] for unit in UNITS
    }
    return found | {
        f"container {name}": one["command"] for name, one in compose().items() if "command" in one
    }


def test_every_command_knows_its_options() -> None:
    """Each program is asked for help once; an option that it does not name is misspelt."""
    helps: dict[tuple[str, ...], str] = {}
    for name, line in commands().items():
        words = shlex.split(line.replace("/srv/sentinel/.venv/bin/", ""))
        options = [word for word in words if word.startswith("--")]
        program = tuple(words[: words.index(options[0])] if options else words)
        if program not in helps:
            command = [str(Path(sys.executable).with_name(program[0])), *program[1:], "--help"]
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0 and "usage" in done.stdout.lower(), f"{name}: {done.stderr}"
            helps[program] = done.stdout
        for option in options:
            assert option in helps[program], f"{name}: {option}"


def test_containers_publish_on_loopback_only_and_build_from_what_is_there() -> None:
    services = compose()
    for service in services.values():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")
    text = (DEPLOY / "containers" / "Containerfile").read_text()
    for line in re.findall(r"^COPY (.*)$", text, re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
    mounted = [
        volume.partition(":")[0]
        for volume in services["postgres"]["volumes"]
        if volume.startswith(".")
    ]
    assert all((DEPLOY / "containers" / path).is_file() for path in mounted)


def test_units_and_containers_start_the_same_processes() -> None:
    units = {unit.stem.removeprefix("sentinel-") for unit in UNITS}
    assert units - {"mirror"} == set(compose()) - {"postgres"}
