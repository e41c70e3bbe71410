"""A release stands on evidence: each thing that lacks refuses it by name, and what is released
loads with plain Transformers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.bench.binding import bound_now
from sentinel_pipeline.critic.version import scorer_version
from sentinel_pipeline.errors import BadInput, GateRefused, Infrastructure
from sentinel_pipeline.gates import policy_hash
from sentinel_pipeline.gates.fences import blocking_fences, decide_clean, fence_key
from sentinel_pipeline.records import GateVerdict, Interval, SampleScore
from sentinel_pipeline.release.bundle import write_bundle
from sentinel_pipeline.release.card import model_card
from sentinel_pipeline.release.evidence import gather
from sentinel_pipeline.release.papers import error_analysis, final_comparison, reproduction
from sentinel_pipeline.store import Artifact, Home, Ledger, Store, write_parquet
from sentinel_pipeline.store.marks import mark
from sentinel_pipeline.store.retention import removable
from sentinel_pipeline.training.loop.parity import check_parity
from sentinel_pipeline_tests.chat.material import license_scorers, report_json, write_model
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.release.hub import TOKEN, hub
from sentinel_pipeline_tests.tools import need_package


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A model and its export parity, really compared."""
    folder = write_model(tmp_path_factory.mktemp("model"), context=512)
    return folder, check_parity(folder).to_json()


def build(home: Home, model: tuple[Path, dict[str, Any]], **change: Any) -> Artifact:
    """The artifacts of a loop that ended well, as far as a release looks at them; ``change`` spoils
    one."""
    import shutil

    store = Store(home, "tiny", "run-1", "run-1")
    with store.writing("decontamination_report", recipe_hash="-", seed=1) as out:
        out.json("report.json", {"rows": 9, "hits": []})
        out.metrics |= {"rows": 9, "contaminated": 2}
    with store.writing(
        "rebalanced_mix", parents=[store.get("decontamination_report")], recipe_hash="-", seed=1
    ) as out:
        out.json(
            "mix.json",
            {
                "sources": {"generated": 7},
                "quotas": [{"category": "code", "share": 0.45, "rows": 7}],
            },
        )
        out.metrics["rows"] = 7
    with store.writing("base_report", recipe_hash="-", seed=1) as out:
        out.json("heldout/report.json", report_json("heldout", "base", "b", 1, 300))
    parents = [store.get("rebalanced_mix"), store.get("base_report")]
    with store.writing("sft_checkpoint", parents=parents, recipe_hash="-", seed=1) as out:
        shutil.copytree(model[0], out.folder / "model")
        for name in change.get("files", ()):
            (out.folder / "model" / name).write_text("import os")
        parity = change.get("parity", model[1])
        if parity is not None:
            out.json("parity.json", parity)
    made = store.get("sft_checkpoint")
    with store.writing("task_bank", recipe_hash="-", seed=1) as out:
        for suite in ("heldout", "smoke"):
            out.table(f"suites/{suite}.parquet", [], "tasks")
    parents = [made, store.get("task_bank")]
    with store.writing("sft_report", parents=parents, recipe_hash="-", seed=1) as out:
        out.json("heldout/report.json", report_json("heldout", "sft", made.hash, 240, 300))
        out.json("smoke/report.json", report_json("smoke", "sft", made.hash, 4, 8))
    decide(home, **change.get("verdict", {}))
    return made


def decide(home: Home, name: str | None = None, **change: Any) -> None:
    """The blocking gates' verdicts, all passed; those of ``name`` with ``change``, or none where it
    is ``drop``."""
    recipe = home.recipe("tiny")
    store = Store(home, "tiny", "run-1", "run-1")
    report, checkpoint = store.get("sft_report"), store.get("sft_checkpoint")
    for artifact in (store.get("rebalanced_mix"), checkpoint):
        for fence in blocking_fences(recipe, artifact):
            key = fence_key(fence, artifact, recipe, scorer_version())
            passed = key.verdict(decide_clean(7, "rows", {"faults": 0}))
            Ledger(home.ledger).record(passed, recipe="tiny", run_id="run-1")
    for gate in ("pass_at_1", "syntax_rate"):
        verdict = GateVerdict(
            name=gate, subject="tiny/sft_report", subject_hash=report.hash, verdict="pass", measured=0.8, threshold=0.4, n=300,
            interval=Interval(0.75, 0.84), reason="rule: at least 40 %", scorer_version=scorer_version(),
            policy_hash=policy_hash(recipe.gates[gate]),
            **bound_now(recipe, "heldout", checkpoint, store.get("task_bank"))._asdict(),
        )  # fmt: skip
        mine = change if gate == name else {}
        if not mine.get("drop"):
            Ledger(home.ledger).record(replace(verdict, **mine), recipe="tiny", run_id="run-1")


def look(home: Home, stage: str | None = "sft") -> Any:
    return gather(Store(home, "tiny", "r", "r"), home.recipe("tiny"), stage)


SPOILED: list[tuple[dict[str, Any], str]] = [
    ({"verdict": {"name": "pass_at_1", "drop": True}}, "gate pass_at_1 has no verdict"),
    (
        {"verdict": {"name": "pass_at_1", "verdict": "fail"}},
        "gate pass_at_1 on tiny/sft_report: fail",
    ),
    (
        {"verdict": {"name": "syntax_rate", "verdict": "inconclusive"}},
        "gate syntax_rate on tiny/sft_report: inconclusive",
    ),
    (
        {"verdict": {"name": "pass_at_1", "scorer_version": "old"}},
        "pass_at_1 on tiny/sft_report is stale: decided by scorer old",
    ),
    ({"verdict": {"name": "pass_at_1", "policy_hash": "old"}}, "stale: its policy changed"),
    ({"parity": None}, "Export parity was never compared"),
    (
        {"parity": {"passed": False, "variants": [{"name": "adapter", "answers_differ": 2}]}},
        "does not hold (adapter)",
    ),
    ({"parity": {"passed": "yes"}}, "does not hold"),
]


@pytest.mark.parametrize(("change", "says"), SPOILED)
def test_each_thing_that_lacks_refuses_by_name(
    home: Home, model: Any, change: dict[str, Any], says: str
) -> None:
    build(home, model, **change)
    license_scorers(home)
    with pytest.raises(GateRefused) as refused:
        look(home)
    assert says in str(refused.value)


def test_every_reason_is_told_at_once(home: Home, model: Any) -> None:
    build(home, model, parity=None, verdict={"name": "pass_at_1", "verdict": "fail"})
    with pytest.raises(GateRefused) as refused:
        look(home)
    for says in ("never audited", "pass_at_1", "Export parity"):
        assert says in str(refused.value)


def test_what_was_made_from_a_superseded_mix_is_not_released(home: Home, model: Any) -> None:
    build(home, model)
    license_scorers(home)
    mix = Store.reading(home, "tiny").get("rebalanced_mix")
    mark(home, [mix], "superseded", "rows of the old template", marked_by="ann")
    with pytest.raises(GateRefused, match="rebalanced_mix/run-1 is superseded .rows of the old"):
        look(home)
    mark(home, [mix], "archived", "evidence", marked_by="ann")
    assert look(home).stage == "sft"


def test_a_newer_checkpoint_is_not_released_on_the_old_ones_report(home: Home, model: Any) -> None:
    build(home, model)
    license_scorers(home)
    with Store(home, "tiny", "run-2", "run-2").writing(
        "sft_checkpoint", recipe_hash="-", seed=1
    ) as out:
        out.json("parity.json", {"passed": True, "variants": []})
    with pytest.raises(GateRefused, match="about another checkpoint"):
        look(home)


def test_without_a_licence_stage_or_checkpoint_it_is_bad_input(home: Home, model: Any) -> None:
    with pytest.raises(BadInput, match="no tuned checkpoint"):
        look(home, None)
    with pytest.raises(BadInput, match="'base' is not a stage that tiny trains"):
        look(home, "base")
    path = home.recipes / "tiny.toml"
    path.write_text(path.read_text().partition("[release]")[0])
    with pytest.raises(BadInput, match="states no licence"):
        look(home)


@pytest.mark.parametrize("name", ["modeling_own.py", "optimizer.pt", "pytorch_model.bin"])
def test_what_may_be_code_is_not_released(home: Home, model: Any, name: str) -> None:
    build(home, model, files=[name])
    license_scorers(home)
    evidence, store = look(home), Store(home, "tiny", "r", "r")
    with (
        pytest.raises(GateRefused, match=name),
        store.writing("release_bundle", recipe_hash="-", seed=1) as out,
    ):
        write_bundle(out, evidence)
    assert store.find("release_bundle") is None


def test_weights_that_changed_since_they_were_judged_are_not_released(
    home: Home, model: Any
) -> None:
    made = build(home, model)
    license_scorers(home)
    evidence = look(home)
    weights = made.folder / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with (
        pytest.raises(Infrastructure, match="is not what was judged"),
        Store(home, "tiny", "r", "r").writing("release_bundle", recipe_hash="-", seed=1) as out,
    ):
        write_bundle(out, evidence)


class Command:
    """``sentinel release tiny`` in its own process."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def __call__(
        self, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        run = "from sentinel_pipeline.cli import main; main()"
        command = [sys.executable, "-c", run, "release", "tiny", "--json", *arguments]
        environment = {**os.environ, "SENTINEL_HOME": str(self.home.root), **(env or {})}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == code, done.stderr
        self.said = " ".join(done.stderr.split())
        return dict(json.loads(done.stdout)) if done.stdout else {}


@pytest.fixture
def good(home: Home, model: Any) -> Command:
    build(home, model)
    license_scorers(home)
    return Command(home)


def test_the_command_makes_a_bundle_that_plain_transformers_loads(
    good: Command, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    told = good("--out", str(out))
    assert told["folder"] == str(out) and told["parity"] is True and len(told["gates"]) == 2
    code = (
        "import sys; from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        "t = AutoTokenizer.from_pretrained(sys.argv[1]); m = AutoModelForCausalLM.from_pretrained(sys.argv[1])\n"
        "i = t.apply_chat_template([{'role': 'user', 'content': 'list'}], add_generation_prompt=True, "
        "return_tensors='pt', return_dict=True)\n"
        "print(m.generate(**i, max_new_tokens=5, do_sample=False).shape[1] - i['input_ids'].shape[1])\n"
        "assert not any(name.startswith('sentinel') for name in sys.modules)"
    )
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "5", done.stderr
    assert not [path for path in out.rglob("*") if path.suffix in (".pt", ".bin", ".pkl")]
    beside = {
        "manifest.json",
        "gates.json",
        "parity.json",
        "decontamination.json",
        "chat_template.jinja",
    }
    assert beside <= {p.name for p in out.iterdir()}
    assert json.loads((out / "benchmarks/sft/heldout.json").read_text())["passed"] == 240
    assert json.loads((out / "benchmarks/base/heldout.json").read_text())["passed"] == 1


def test_the_card_is_read_by_the_hubs_library_and_holds_the_numbers(
    good: Command, tmp_path: Path
) -> None:
    from huggingface_hub import ModelCard

    good("--out", str(tmp_path / "out"))
    card = ModelCard.load(tmp_path / "out" / "README.md")
    results = {one.dataset_type: one for one in card.data.eval_results}
    assert results["heldout"].metric_value == 0.8
    arguments = results["heldout"].metric_args
    assert arguments["n"] == 300 and arguments["interval_95"][0] == pytest.approx(0.7512, abs=1e-3)
    assert card.data.license == "mit" and card.data.library_name == "transformers"
    for says in (
        "80.0 % [75.1 %, 84.1 %]",
        "2 of 9 candidate rows",
        "| generated | 7 |",
        "saved again",
        "syntax_rate | pass",
    ):
        assert says in card.text


def test_the_card_counts_the_rows_of_every_stage_that_trained_on_its_own(
    home: Home, model: Any
) -> None:
    build(home, model)
    license_scorers(home)
    store = Store(home, "tiny", "run-1", "run-1")
    for asset, metric in (("preference_pairs", "pairs"), ("unpaired_rows", "rows")):
        with store.writing(asset, recipe_hash="-", seed=1) as out:
            out.metrics[metric] = 12
    pairs, answers = store.get("preference_pairs"), store.get("unpaired_rows")
    evidence = look(home)
    evidence = evidence._replace(ancestors=(*evidence.ancestors, pairs, answers))
    text = model_card(evidence, [])
    assert f"Preference pairs: 12, content hash `{pairs.hash[:16]}`." in text
    assert "Unpaired rows" not in text, "the recipe does not use that stage"
    recipe = replace(evidence.recipe, stages=("kto",))
    alone = evidence._replace(recipe=recipe, ancestors=(evidence.checkpoint, answers))
    text = model_card(alone, [])
    assert f"Unpaired rows: 12, content hash `{answers.hash[:16]}`." in text
    assert "own answers to training tasks" not in text


def test_a_dry_run_and_a_refusal_write_nothing(good: Command) -> None:
    folder = good.home.runs / "tiny" / "release_bundle"
    assert good("--dry-run")["folder"] is None
    assert not folder.exists()
    decide(good.home, "pass_at_1", verdict="fail", reason="too low")
    assert good(code=3)["error"]["exit_code"] == 3
    assert "pass_at_1" in good.said and "too low" in good.said and not folder.exists()


def test_a_released_checkpoint_is_never_garbage(good: Command) -> None:
    good()
    os.utime(good.home.runs / "tiny" / "sft_checkpoint" / "run-1", (0, 0))
    for run in ("a", "b"):
        with Store(good.home, "tiny", run, run).writing(
            "sft_checkpoint", recipe_hash="-", seed=1
        ) as out:
            out.json("x.json", run)
    assert [
        one.folder.name
        for one in removable(good.home, keep=1, days=0)
        if one.folder.name == "run-1"
    ] == []


def test_pushing_uploads_the_bundle_privately_and_only_when_asked(good: Command) -> None:
    with hub() as double:
        env = {
            "HF_ENDPOINT": double.address,
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        good(env=env)
        assert double.created == [] and double.commits == []
        told = good("--push", "ann/model", env=env)
        assert told["pushed"].startswith(f"{double.address}/ann/model/commit/")
        assert double.created[0]["visibility"] == "private" and len(double.commits) == 1
        bundle = Path(told["folder"])
        assert double.files["model.safetensors"] == (bundle / "model.safetensors").read_bytes()
        assert double.files["README.md"] == (bundle / "README.md").read_bytes()
        assert not [name for name in double.files if name.startswith("logs/")]


def test_a_hub_that_refuses_fails_or_is_down_is_told_apart(good: Command) -> None:
    with hub() as double:
        env = {"HF_ENDPOINT": double.address, "HF_TOKEN": "hf_wrong", "HF_HUB_DISABLE_XET": "1"}
        good("--push", "ann/model", code=2, env=env)
        assert "the hub refuses (401)" in good.said
        double.refuse = 500
        good("--push", "ann/model", code=4, env=env | {"HF_TOKEN": TOKEN})
        assert double.commits == []
    good("--push", "ann/model", code=4, env=env | {"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert "The bundle is kept" in good.said


@pytest.mark.parametrize(
    "arguments",
    [("--push", "noowner"), ("--push", "../x/y"), ("--stage", "base"), ("--out", "/etc")],
)
def test_bad_arguments_are_bad_input(good: Command, arguments: tuple[str, str]) -> None:
    good(*arguments, code=2)


def test_lm_eval_scores_the_bundle_as_plain_transformers_does(
    good: Command, tmp_path: Path
) -> None:
    need_package("lm_eval")
    import torch
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    bundle = str(tmp_path / "out")
    good("--out", bundle)
    start, end = "def add(a, b):", " return a + b"
    asked = Instance("loglikelihood", {}, (start, end), 0)
    ((scored, _),) = HFLM(pretrained=bundle, device="cpu", batch_size=1).loglikelihood(
        [asked], disable_tqdm=True
    )
    tokenizer, model = (
        AutoTokenizer.from_pretrained(bundle),
        AutoModelForCausalLM.from_pretrained(bundle),
    )
    prefix, whole = (
        tokenizer(text, return_tensors="pt").input_ids for text in (start, start + end)
    )
    with torch.no_grad():
        likely = model(whole[:, :-1]).logits.float().log_softmax(-1)
    each = likely.gather(-1, whole[:, 1:, None])[0, prefix.shape[1] - 1 :, 0]
    assert scored == pytest.approx(each.sum().item(), rel=1e-4)


def answer(number: int, outcome: str, reason: str = "passed", text: str = "x") -> SampleScore:
    return SampleScore(
        task_id=f"t{number}", category="executable_code", family="functions", completion=text, outcome=outcome,  # type: ignore[arg-type]  # an outcome
        reason=reason, syntax_ok=True, stopped=True, tokens=1, seconds=0.0,
    )  # fmt: skip


HOSTILE = "# not a heading\n<script>alert(1)</script>\n| a | b |\nAKIAIOSFODNN7EXAMPLQ"


def with_samples(home: Home, model: Any) -> Any:
    """Evidence whose reports hold their answers: 1 of 6 before, 4 of 6 after."""
    build(home, model)
    license_scorers(home)
    evidence = look(home)
    base = [answer(n, "pass" if n == 0 else "fail", "assertion: f(1)") for n in range(6)]
    after = [answer(n, "pass") for n in range(4)] + [
        answer(n, "fail", "syntax_error: line 1 | `x`", HOSTILE) for n in range(4, 6)
    ]
    for report, samples in ((evidence.ancestor("base_report"), base), (evidence.report, after)):
        folder = report.folder / "heldout"
        write_parquet(
            folder / "samples.parquet",
            ({k: v for k, v in asdict(s).items() if k != "seconds"} for s in samples),
            "samples",
        )
    return evidence


def test_the_final_comparison_is_text_with_rates_intervals_and_paired_p(
    home: Home, model: Any
) -> None:
    text = final_comparison(with_samples(home, model))
    assert text.startswith("tiny: base -> sft\n\nheldout\n")
    assert "  sft    Pass@1 80.0 % [75.1 %, 84.1 %], n 300\n" in text
    assert "base -> sft: +50.0 % [" in text and "3 gained, 0 lost, exact paired p = 0.25" in text
    smoke = text[text.index("\nsmoke\n") :]
    assert "->" not in smoke, "the base model was not measured on it"


def test_the_error_analysis_counts_by_kind_and_shows_answers_as_text(
    home: Home, model: Any
) -> None:
    text = error_analysis(with_samples(home, model))
    assert "| functions | syntax\\_error | 2 | 6 |" in text
    assert "    <script>alert(1)</script>" in text.splitlines()
    lines = [line for line in text.splitlines() if not line.startswith("    ")]
    assert not any("<script>" in line or line == "# not a heading" for line in lines)
    assert "AKIAIOSFODNN7EXAMPLQ" not in text


def test_the_reproduction_names_recipe_seed_versions_hashes_and_commands(
    home: Home, model: Any
) -> None:
    evidence = with_samples(home, model)
    told = reproduction(evidence, home)
    assert told["recipe_sha256"] == evidence.recipe.sha256()
    assert told["recipe_toml"] == (home.recipes / "tiny.toml").read_text()
    assert told["artifacts"]["sft_checkpoint"]["content_hash"] == evidence.checkpoint.hash
    assert told["commands"][1] == "sentinel run tiny" and told["seed"] == 1
    assert told["versions"] == evidence.checkpoint.manifest.versions


def test_a_bench_report_about_these_weights_is_published_and_another_is_refused(
    home: Home, model: Any, tmp_path: Path
) -> None:
    made = build(home, model)
    license_scorers(home)
    store = Store(home, "bench", "run-9", "run-9")
    for name, checkpoint in (("mine", made.hash), ("other", "f" * 64)):
        with store.writing(name, recipe_hash="-", seed=1) as out:
            out.json("ifeval/report.json", report_json("ifeval", "bench", checkpoint, 9, 20))
    command = Command(home)
    command("--report", str(store.get("mine").folder), "--out", str(tmp_path / "out"))
    published = tmp_path / "out" / "benchmarks" / "selected" / "run-9" / "ifeval.json"
    assert json.loads(published.read_text())["passed"] == 9
    for name in ("final_comparison.txt", "errors.md", "reproduction.json"):
        assert (tmp_path / "out" / name).is_file()
    assert command("--report", str(store.get("other").folder), code=2)["error"]["exit_code"] == 2
    assert "is about ffffffffffff, not about the checkpoint" in command.said
    assert command("--report", str(tmp_path), code=2)["error"]["exit_code"] == 2
    assert "holds no report" in command.said
