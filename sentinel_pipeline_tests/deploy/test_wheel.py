"""The package as others install it: a wheel, in an environment of its own, used from an empty
folder outside of any checkout."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.web.server import free_port

RECIPES = Path(__file__).parents[1] / "recipes"
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "constraints.txt", "constraints-gpu.txt",
           "CHANGELOG.md", "workspace.yaml", "dagster.yaml", "sentinel_pipeline")  # fmt: skip


class Installed(NamedTuple):
    """The command of an installed wheel, an empty folder, and the user's data folder."""

    sentinel: Path
    package: Path
    folder: Path
    data: Path

    @property
    def environment(self) -> dict[str, str]:
        foreign = ("SENTINEL_HOME", "DAGSTER_HOME", "PYTHONPATH")
        kept = {key: value for key, value in os.environ.items() if key not in foreign}
        own = {"XDG_DATA_HOME": str(self.data), "PYTHONDONTWRITEBYTECODE": "1"}
        return kept | own | {"COLUMNS": "160"}

    def run(self, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.sentinel), *arguments],
            cwd=folder or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
        )

    def files(self) -> set[Path]:
        return set(self.package.rglob("*"))


def _tree(folder: Path) -> Path:
    """The files that a wheel is made of, as a clean checkout has them."""
    folder.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    for name in ("recipes", "canaries"):
        shutil.copytree(ROOT / "data" / name, folder / "data" / name)
    shutil.copy(ROOT / "data" / "alerts.toml", folder / "data")
    return folder


def _build(tree: Path, kind: str, out: Path) -> Path:
    """A wheel or an sdist of ``tree``, by the backend that pip calls."""
    code = f"import setuptools.build_meta as b; b.build_{kind}({str(out)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=tree, check=True, capture_output=True)
    (archive,) = out.iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "out").mkdir()
    return _build(_tree(folder / "tree"), "wheel", folder / "out")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an environment of its own; what it depends on is borrowed from this one."""
    folder = tmp_path_factory.mktemp("installed")
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True
    )
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    (package,) = (folder / "venv").glob("lib/python*/site-packages/sentinel_pipeline")
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    borrowed = borrowed or [sysconfig.get_path("purelib")]
    (package.parent / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    dagster = Path(sys.executable).with_name("dagster")
    script = python.with_name("dagster")
    script.write_text(f"#!{python}\n" + dagster.read_text().partition("\n")[2])
    script.chmod(0o755)
    for name in ("empty", "data"):
        (folder / name).mkdir()
    return Installed(python.with_name("sentinel"), package, folder / "empty", folder / "data")


def test_wheel_and_sdist_hold_the_files_of_a_project(wheel: Path, tmp_path: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {
        str(path.relative_to(ROOT))
        for folder in ("recipes", "canaries")
        for path in (ROOT / "data" / folder).iterdir()
    } | {"data/alerts.toml", "workspace.yaml", "dagster.yaml"}
    assert {f"sentinel_pipeline/shipped/{name}" for name in shipped} <= names
    assert {
        f"sentinel_pipeline/{name}"
        for name in ("py.typed", "web/static/review.js", "training/embedded/chat_template.jinja")
    } <= names
    (tmp_path / "out").mkdir()
    archive = _build(_tree(tmp_path / "tree"), "sdist", tmp_path / "out")
    shutil.unpack_archive(archive, tmp_path / "unpacked", filter="data")
    (tree,) = (tmp_path / "unpacked").iterdir()
    (tmp_path / "again").mkdir()
    again = _build(tree, "wheel", tmp_path / "again")
    assert set(zipfile.ZipFile(again).namelist()) == names


def test_every_verb_of_a_first_hour_works_from_an_empty_folder(installed: Installed) -> None:
    before = installed.files()
    rows = installed.folder / "rows.jsonl"
    rows.write_text(
        json.dumps({"prompt": "Write f(x) = x + 1.", "response": "```python\ndef f(x):\n    return x + 1\n```"})
    )  # fmt: skip
    version = installed.run("--version")
    assert version.stdout.startswith("sentinel ") and version.returncode == 0
    doctor = installed.run("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(doctor.stdout)["checks"]}
    assert "tiny" in checks["recipes"]["found"] and checks["sandbox"]["status"] == "ok"
    labelled = installed.run("label", "rows.jsonl", "--out", "labelled", "--json")
    assert json.loads(labelled.stdout)["accepted"] == 1
    plan = installed.run("plan", "tiny", "--json")
    assert plan.returncode == 0, plan.stderr
    grade = installed.run("grade", "--suite", "humaneval", "none.jsonl")
    assert grade.returncode == 2 and "none.jsonl" in grade.stderr
    assert installed.files() == before, "something was written beside the code"
    assert sorted(path.name for path in installed.data.iterdir()) == ["sentinel_pipeline"]
    assert sorted(path.name for path in installed.folder.iterdir()) == ["labelled", "rows.jsonl"]


def test_a_new_project_runs_and_keeps_its_state(installed: Installed, tmp_path: Path) -> None:
    project = tmp_path / "project"
    assert installed.run("init", str(project)).returncode == 0
    shutil.copy(RECIPES / "mini.toml", project / "data" / "recipes")
    done = installed.run("run", "mini", "--until", "rebalanced_mix", "--json", folder=project)
    assert done.returncode == 0, done.stderr
    assert any((project / "data" / "runs" / "mini" / "rebalanced_mix").iterdir())
    assert (project / "data" / "state" / "dagster" / "dagster.yaml").samefile(
        project / "dagster.yaml"
    )
    twice = installed.run("init", str(project))
    assert twice.returncode == 2 and "is there already" in twice.stderr


@pytest.fixture
def landing_page(installed: Installed) -> Iterator[str]:
    ports = {name: free_port() for name in ("port", "front-port", "review-port", "chat-port")}
    options = [f"--{name}={port}" for name, port in ports.items()]
    process = subprocess.Popen(
        [str(installed.sentinel), "ui", *options],
        cwd=installed.folder,
        env=installed.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{ports['front-port']}/"
        assert process.poll() is None, "a server ended by itself"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def test_the_pages_open_from_an_empty_folder(landing_page: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            body = urllib.request.urlopen(landing_page, timeout=10).read().decode()
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.5)
    assert "Dagster" in body
