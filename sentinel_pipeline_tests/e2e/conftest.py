"""The loop really run once, at toy size, for all tests that look at what it left."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sentinel_pipeline.store import Home
from sentinel_pipeline_tests.conftest import ROOT

SENTINEL = str(Path(sys.executable).with_name("sentinel"))
RECIPES = Path(__file__).parents[1] / "recipes"


class Done(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """Standard output is one JSON object and nothing else."""
        assert self.out.count("\n") == 1, self.out + self.err
        return dict(json.loads(self.out))


def environment(home: Home) -> dict[str, str]:
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in ("DAGSTER_HOME", "SENTINEL_HOME")
    }
    return {**kept, "SENTINEL_HOME": str(home.root), "COLUMNS": "160"}


def sentinel(home: Home, *arguments: str, timeout: float = 1800) -> Done:
    done = subprocess.run(
        [SENTINEL, *arguments],
        capture_output=True,
        text=True,
        env=environment(home),
        timeout=timeout,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def new_home(folder: Path, recipes: Sequence[Path] = ()) -> Home:
    """A project folder with the shipped suites, canaries and these recipes only."""
    for name in ("workspace.yaml", "dagster.yaml"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("suites", "canaries"):
        shutil.copytree(ROOT / "data" / name, folder / "data" / name)
    (folder / "data" / "recipes").mkdir(parents=True)
    for recipe in recipes or [RECIPES / "mini.toml"]:
        shutil.copy(recipe, folder / "data" / "recipes" / recipe.name)
    return Home(folder)


def with_changes(home: Home, name: str, extra: str) -> None:
    """A recipe like ``mini``, with more TOML at its end."""
    (home.recipes / f"{name}.toml").write_text((RECIPES / "mini.toml").read_text() + extra)


STEPS = 48
"""Steps of SFT in the loop that all look at: enough to kill it in their middle."""


def lengthen(home: Home) -> Home:
    """Let the recipe ``mini`` fine-tune for ``STEPS`` steps, with as many windows as before."""
    path = home.recipes / "mini.toml"
    text = path.read_text()
    for old, new in (
        ("max_steps = 12\n", f"max_steps = {STEPS}\nnum_train_epochs = 20.0\n"),
        ("eval_steps = 6\n", f"eval_steps = {STEPS // 2}\n"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text)
    return home


class Loop(NamedTuple):
    home: Home
    done: Done


@pytest.fixture(scope="session")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """``sentinel run mini --json``, to its end: run once for all test processes, each of which
    looks at a copy of its own."""
    base = tmp_path_factory.getbasetemp()
    made = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "loop-made"
    made.mkdir(exist_ok=True)
    said = made / "said.json"
    with (made / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            shutil.rmtree(made / "home", ignore_errors=True)
            (made / "home").mkdir()
            said.write_text(
                json.dumps(sentinel(lengthen(new_home(made / "home")), "run", "mini", "--json"))
            )
    own = tmp_path_factory.mktemp("loop") / "home"
    return Loop(Home(shutil.copytree(made / "home", own)), Done(*json.loads(said.read_text())))
