"""The job in which a base model writes its own rows, with a model of a few thousand weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.generation.guards import plain_tokenizer
from sentinel_pipeline.generation.loading import load_tokenizer
from sentinel_pipeline.generation.prompts import render_chat
from sentinel_pipeline.generation.self_instruct import ROUND, read_attempts
from sentinel_pipeline.records.data_spec import SHARES, SelfGenerated
from sentinel_pipeline.run_job import run_job
from sentinel_pipeline.worker.interrupts import Interrupted, Interrupts
from sentinel_pipeline.worker.jobs import SelfInstructJob, read_job, write_job


def test_the_guards_are_verified_on_the_models_own_tokenizer(base: Path) -> None:
    tokenizer = load_tokenizer(base)
    guards = plain_tokenizer(tokenizer)
    assert guards._asdict() == {
        "chat_template": None,
        "add_special_tokens": False,
        "special_tokens": 3,
    }
    with pytest.raises(BadInput, match="no chat template"):
        render_chat(tokenizer, [{"role": "user", "content": "hi"}])
    tokenizer.add_special_tokens({"additional_special_tokens": ["Response"]})
    with pytest.raises(BadInput, match="adds markers to plain text"):
        plain_tokenizer(tokenizer)


def test_a_small_model_really_writes_and_a_stopped_run_ends_alike(
    tmp_path: Path, base: Path
) -> None:
    """It writes rubbish, and every piece of it is accounted for; the critic is the real one."""
    spec = SelfGenerated(
        rows=12, attempts=8.0, temperature=1.0, top_p=1.0, instruction_tokens=12, response_tokens=24
    )

    def job(name: str) -> SelfInstructJob:
        return SelfInstructJob(
            logs=tmp_path / name, model=base, spec=spec, shares=dict(SHARES), seed=5
        )

    assert read_job(write_job(job("whole"))) == job("whole")
    done = run_job(job("whole"), lambda text: None)
    assert (
        done["attempts"] >= done["rows"] + sum(done["refused"].values())
        and done["attempts"] % ROUND == 0
    )
    guards = json.loads((tmp_path / "whole" / "guards.json").read_text())
    assert guards["chat_template"] is None and guards["add_special_tokens"] is False
    asked = Interrupts()
    asked.asked = "SIGTERM"
    with pytest.raises(Interrupted, match=f"at step {ROUND}"):
        run_job(job("stopped"), lambda text: None, asked)
    with pytest.raises(Infrastructure):
        run_job(job("stopped"), lambda text: None, asked)
    run_job(job("stopped"), lambda text: None)
    wrote, again = (
        read_attempts(tmp_path / name / "rounds.jsonl") for name in ("whole", "stopped")
    )
    assert wrote == again
    assert [one for one in wrote if one.response], "some instruction was answered"
