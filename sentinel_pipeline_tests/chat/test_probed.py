"""Format probes are looked at apart, once, and again when something that they stand on changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.chat import probed
from sentinel_pipeline.chat.apart import ask, error_to_json, raise_error
from sentinel_pipeline.chat.probe import probe
from sentinel_pipeline.chat.probed import Probes
from sentinel_pipeline.errors import BadInput, GateRefused, Infrastructure, SentinelError
from sentinel_pipeline.generation.targets import find_target
from sentinel_pipeline.store import Home
from sentinel_pipeline_tests.chat.material import (
    add_checkpoint,
    add_probe,
    license_scorers,
    write_model,
)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was looked at, look by look; in this process, which is quicker."""
    seen: list[list[str]] = []

    def look(home: Home, module: str, names: list[str]) -> Any:
        seen.append(names)
        return probed.main(names)

    monkeypatch.setattr(probed, "ask", look)
    return seen


def states(home: Home, probes: Probes, *names: str) -> list[str]:
    looked = probes.of({name: find_target(home, name) for name in names})
    return [looked[name].state for name in names]


def test_all_that_is_new_is_looked_at_at_once_and_what_is_old_is_not(
    home: Home,
    small_model: Path,
    tmp_path: Path,
    looks: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SENTINEL_HOME", str(home.root))
    license_scorers(home)
    add_checkpoint(home, "tiny", "sft", small_model)
    add_checkpoint(home, "tiny", "dpo", small_model)
    add_probe(home, "tiny", "sft", 40)
    probes = Probes(home)
    both = ("tiny/sft", "tiny/dpo")
    assert states(home, probes, *both) == ["pass", "missing"]
    assert states(home, probes, *both) == ["pass", "missing"]
    assert looks == [["tiny/sft", "tiny/dpo"]]
    add_probe(home, "tiny", "dpo", 10)
    assert states(home, probes, *both) == ["pass", "fail"]
    assert looks[1:] == [["tiny/dpo"]], "a new report"
    add_checkpoint(home, "tiny", "sft", write_model(tmp_path / "new", seed=9), run_id="run-2")
    assert states(home, probes, *both) == ["missing", "fail"]
    assert looks[2:] == [["tiny/sft"]], "other weights"


@pytest.mark.parametrize("change", ["ledger", "recipe"])
def test_a_changed_ledger_or_recipe_makes_every_look_old(
    home: Home,
    small_model: Path,
    looks: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    monkeypatch.setenv("SENTINEL_HOME", str(home.root))
    path = home.recipes / "tiny.toml"
    path.write_text('[bench]\nsuites = ["heldout", "smoke", "format_probe"]\n')
    add_checkpoint(home, "tiny", "sft", small_model)
    add_probe(home, "tiny", "sft", 40)
    probes = Probes(home)
    if change == "recipe":
        license_scorers(home)
    before = states(home, probes, "tiny/sft")
    if change == "ledger":
        assert before == ["inconclusive"], "nobody licensed the scorers"
        license_scorers(home)
        assert states(home, probes, "tiny/sft") == ["pass"]
    else:
        gate = '[gates.form]\nmetric = "pass_at_1"\nsuite = "format_probe"\nthreshold = 0.99\n'
        path.write_text(f"{path.read_text()}\n{gate}")
        assert (before, states(home, probes, "tiny/sft")) == (["pass"], ["inconclusive"])
    assert len(looks) == 2


def test_a_look_apart_is_the_look_and_leaves_nothing_behind(home: Home, small_model: Path) -> None:
    """In processes of their own: the asking one loads neither NumPy nor the critic's numbers."""
    license_scorers(home)
    add_checkpoint(home, "tiny", "sft", small_model)
    add_probe(home, "tiny", "sft", 37)
    code = f"""
import sys
from pathlib import Path
from sentinel_pipeline.chat.models import Models
from sentinel_pipeline.store import Home
import sentinel_pipeline.web.chat
look = Models(Home(Path({str(home.root)!r})), None, experimental=False).states()["tiny/sft"]
print(look.reasons[-1])
print([name for name in ("numpy", "scipy", "pyarrow", "torch") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    reason, loaded = done.stdout.splitlines()
    expected = probe(home, home.recipe("tiny"), "sft", find_target(home, "tiny/sft"))
    assert expected.state == "inconclusive" and expected.reason in reason
    assert loaded == "[]"


@pytest.mark.parametrize(
    "error",
    [
        BadInput("no such task.", field="task", fix="Name another."),
        BadInput("no model.", fix="Name another."),
        BadInput("expected text."),
        GateRefused("it is closed."),
        Infrastructure("the disk is full."),
    ],
)
def test_an_error_is_raised_again_as_it_was(error: SentinelError) -> None:
    with pytest.raises(type(error)) as raised:
        raise_error(error_to_json(error, "the answer broke off"))
    assert str(raised.value) == str(error)
    assert getattr(raised.value, "field", None) == getattr(error, "field", None)


def test_an_error_of_a_library_tells_its_type_alone() -> None:
    with pytest.raises(Infrastructure, match=r"^the answer broke off: KeyError\.$"):
        raise_error(error_to_json(KeyError("what a person wrote"), "the answer broke off"))


def test_a_process_that_fails_is_infrastructure_with_its_last_words(home: Home) -> None:
    with pytest.raises(Infrastructure, match=r"failed \(exit code 1\): .*No module named"):
        ask(home, "sentinel_pipeline.chat.nothing", {})
