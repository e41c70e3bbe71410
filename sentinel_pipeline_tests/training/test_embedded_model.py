"""The embedded model: made of the standard library, the same each time, loadable by plain
Transformers."""

from __future__ import annotations

import hashlib
import re
import sysconfig
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.training.embedded.corpus import library_sources, rehearsed
from sentinel_pipeline.training.embedded.embedded_model import pretrain, rate_at, train_tokenizer
from sentinel_pipeline.worker.interrupts import Interrupted, Interrupts
from sentinel_pipeline.worker.jobs import PretrainJob
from sentinel_pipeline_tests.training.material import SMALL, pretrain_small, silent


def digest(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    tmp_path: Path, base: Path
) -> None:
    assert digest(pretrain_small(tmp_path / "again")) == digest(base)
    other = digest(pretrain_small(tmp_path / "other", seed=18))
    assert other["model.safetensors"] != digest(base)["model.safetensors"]


def test_an_interrupted_pretraining_resumes_to_the_same_weights(tmp_path: Path, base: Path) -> None:
    job = PretrainJob(out=tmp_path, logs=tmp_path / "logs", spec=SMALL)
    interrupts = Interrupts()
    interrupts.asked = "SIGINT"
    for step in (1, 2):
        with pytest.raises(Interrupted, match=f"SIGINT at step {step}"):
            pretrain(job, silent(job.logs), interrupts)
    pretrain(job, silent(job.logs), Interrupts())
    assert digest(tmp_path / "model") == digest(base)


def test_sources_are_the_standard_librarys_alone() -> None:
    root = Path(sysconfig.get_path("stdlib"))
    texts = set(islice(library_sources(3), 40))
    library = [path for path in root.rglob("*.py") if "site-packages" not in path.parts]
    heads = {path.read_text(encoding="utf-8", errors="ignore")[:20_000] for path in library}
    assert texts <= heads
    assert list(islice(library_sources(3), 40)) != list(islice(library_sources(4), 40))


def test_rehearsal_writes_every_text_twice_in_order() -> None:
    texts = [f"text number {i};" for i in range(20)]
    groups = list(rehearsed(texts, 1))[::2]
    assert all(group[: len(group) // 2] == group[len(group) // 2 :] for group in groups)
    assert "".join(group[: len(group) // 2] for group in groups) == "".join(texts)


def test_drills_write_the_same_words_twice() -> None:
    for drill in list(rehearsed([f"alpha beta {i};" for i in range(40)], 1))[1::2]:
        words = re.findall(r"[A-Za-z0-9]+", drill)
        assert words[: len(words) // 2] == words[len(words) // 2 :]


def test_the_tokenizer_loses_nothing_and_keeps_the_templates_words_whole() -> None:
    tokenizer = train_tokenizer(SMALL, 17)
    for text in ("def café(x):\n\treturn '日本' # 🙂", "R$ 1.234,56", "\x00\x7f"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    for word in ("user", "assistant", "system", "tool"):
        assert len(tokenizer.encode(word).ids) == 1
    assert [
        tokenizer.encode(mark).ids for mark in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    ] == [[0], [1], [2]]


def test_the_learning_rate_warms_up_stays_and_falls_to_nearly_nothing() -> None:
    rates = [rate_at(step, 100, 10) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * i for i in range(1, 11)])
    assert rates[20] == 1.0 and 0 < rates[-1] < 0.02
    assert rates[40:] == sorted(rates[40:], reverse=True)


@pytest.mark.parametrize(("hidden", "heads"), [(30, 4), (33, 3), (36, 4)])
def test_a_shape_that_cannot_be_built_is_bad_input(tmp_path: Path, hidden: int, heads: int) -> None:
    job = PretrainJob(
        out=tmp_path, logs=tmp_path / "logs", spec=replace(SMALL, hidden=hidden, heads=heads)
    )
    with pytest.raises(BadInput, match=f"hidden {hidden} by {heads} heads"):
        pretrain(job, silent(job.logs), Interrupts())
