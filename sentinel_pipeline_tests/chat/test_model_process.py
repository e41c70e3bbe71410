"""A model in a process of its own says what a session says, stops when told, and ends with its
server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sentinel_pipeline.chat.model_process import ModelProcess
from sentinel_pipeline.chat.session import Session
from sentinel_pipeline.chat.turn import Reply
from sentinel_pipeline.errors import BadInput, Infrastructure, SentinelError
from sentinel_pipeline_tests.chat.material import turn


@pytest.fixture(scope="module")
def model(small_model: Path) -> Iterator[ModelProcess]:
    process = ModelProcess(small_model)
    yield process
    process.close()


def test_it_says_what_a_session_in_this_process_says(
    model: ModelProcess, small_model: Path
) -> None:
    here = Session(small_model)
    for asked in (turn(), turn(temperature=1.0, seed=3), turn("é \U0001f600 squares")):
        expected = Reply()
        text = "".join(here.stream(asked, threading.Event(), expected))
        reply = Reply()
        assert "".join(model.stream(asked, threading.Event(), reply)) == text
        assert reply == expected and reply.completion_tokens > 0


def test_bad_input_arrives_as_it_was_raised(model: ModelProcess, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="the model's context 4096") as raised:
        list(model.stream(turn("squares " * 6000), threading.Event(), Reply()))
    assert raised.value.field == "messages"
    assert str(raised.value).startswith("field 'messages': the conversation has")
    assert str(raised.value).endswith("Start a new conversation or shorten it.")
    with pytest.raises(BadInput, match=r"config\.json"):
        ModelProcess(tmp_path)


def test_a_process_that_is_killed_is_infrastructure_and_says_so(small_model: Path) -> None:
    model = ModelProcess(small_model)
    pieces = model.stream(turn(max_tokens=3000), threading.Event(), Reply())
    next(pieces)
    os.kill(model.pid, signal.SIGKILL)
    with pytest.raises(Infrastructure, match=r"ended by itself \(exit code -9\)"):
        list(pieces)
    assert not model.alive and not model.turn.locked()


def test_one_that_is_retired_writes_its_answer_to_the_end_first(small_model: Path) -> None:
    model = ModelProcess(small_model)
    reply = Reply()
    pieces = model.stream(turn(max_tokens=30), threading.Event(), reply)
    next(pieces)
    model.retire()
    assert model.alive
    list(pieces)
    assert reply.completion_tokens == 30 and not model.alive


@pytest.mark.parametrize("allowed", [False, True])
def test_a_models_own_code_runs_in_its_process_where_the_recipe_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    code = {
        "AutoConfig": "code.Foreign",
        "AutoModelForCausalLM": "code.ForeignModel",
        "AutoTokenizer": ["code.ForeignTokenizer", None],
    }
    (folder / "config.json").write_text(json.dumps({"model_type": "foreign", "auto_map": code}))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "ForeignTokenizer", "auto_map": code})
    )
    ran = tmp_path / "ran"
    (folder / "code.py").write_text(
        f"import os\nopen({str(ran)!r}, 'w').write(str(os.getpid()))\nraise OSError('enough')\n"
    )
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    with pytest.raises(SentinelError) as raised:
        ModelProcess(folder, trust_remote_code=allowed)
    assert ran.exists() == allowed, raised.value
    if allowed:
        assert ran.read_text() != str(os.getpid()), "never in the server's process"


def test_a_model_ends_with_the_process_that_asks_it(small_model: Path) -> None:
    code = f"""
import os, sys
from pathlib import Path
from sentinel_pipeline.chat.model_process import ModelProcess
print(ModelProcess(Path({str(small_model)!r})).pid, "torch" in sys.modules, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pid, torch_is_here = done.stdout.split()
    assert torch_is_here == "False", "only the model's process holds it"
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(pid)).wait(timeout=60)
