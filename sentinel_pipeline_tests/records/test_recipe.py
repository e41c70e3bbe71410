"""Recipes: whole, typed, and errors that teach."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records.recipe import Recipe, load_recipe
from sentinel_pipeline.store import Home
from sentinel_pipeline.training.planning.plan import make_plan
from sentinel_pipeline_tests.conftest import ROOT

CURVES = "[grpo]\n[[decisions]]\nstage='grpo'\nevidence='curves'\n[[decisions.rules]]\naction='next_recipe'\nname='A'\nwhy='t'\n"


def write(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "path", sorted((ROOT / "data" / "recipes").glob("*.toml")), ids=lambda path: path.stem
)
def test_every_shipped_recipe_loads(path: Path) -> None:
    assert load_recipe(path).name == path.stem


def test_an_empty_recipe_has_the_seeds_defaults(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, ""))
    assert list(recipe.mix.shares.values()) == [0.45, 0.20, 0.15, 0.10, 0.10]
    assert (recipe.gates["pass_at_1"].threshold, recipe.gates["syntax_rate"].threshold) == (
        0.40,
        0.95,
    )
    gap = recipe.gates["capability_gap"]
    assert (gap.direction, gap.threshold) == ("at_most", 0.30)


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("[sft]\nlearning_rat = 1e-3", "sft.learning_rat", "Did you mean 'learning_rate'?"),
        ("[sft]\nlearning_rate = 'fast'", "sft.learning_rate", "expected float, got str"),
        ("seed = true", "seed", "expected int, got bool"),
        ("[sft]\nmethod = 'lorra'", "sft.method", "Did you mean 'lora'?"),
        ("[mix.shares]\nexecutable_code = 0.5", "mix.shares", "sum to 0.5, expected 1"),
        (
            "[gates.pass_at_1]\nmetric = 'pass_at_1'\nthreshold = 40.0",
            "gates.pass_at_1.threshold",
            "A rate of 40 % is written 0.40",
        ),
        ("[gates.mine]\nmetric = 'pass_at_1'", "gates.mine.threshold", "is missing"),
        (
            "[gates.pass_at_1]\nthresold = 0.5",
            "gates.pass_at_1.thresold",
            "Did you mean 'threshold'?",
        ),
        (
            "[gates.capability_gap]\nseverity = 'warn'",
            "gates.capability_gap.severity",
            "never starts without it",
        ),
        (
            "[model]\ncapable_because = ' '\n[gates.capability_gap]\nseverity = 'off'",
            "gates.capability_gap.severity",
            "model.capable_because",
        ),
        (
            "[gates.pass_at_1]\nagainst = 'dpo'",
            "gates.pass_at_1.against",
            "does not come before 'sft'",
        ),
        ("[gates.pass_at_1]\nstage = 'sfd'", "gates.pass_at_1.stage", "Did you mean 'sft'?"),
        (
            "[gates.'Pass@1']\nmetric = 'pass_at_1'\nthreshold = 0.5",
            "gates.Pass@1",
            "invalid name for a gate",
        ),
        ("[bench]\ngate_suite = 'mine'", "bench.gate_suite", "Add it to bench.suites"),
        ("[bench]\nsuites = ['heldout']", "gates.smoke_pass_at_1.suite", "Add it to bench.suites"),
        ("[tasks]\nfresh_seed = 17", "tasks.fresh_seed", "need another seed"),
        ("[tasks]\nfresh_seed = 18", "tasks.fresh_seed", 'Add "fresh" to bench.suites'),
        ("[tasks.fresh]\nedits = 9", "tasks.fresh_seed", "Name a seed of its own"),
        ("[sft]\nbatch_size = 0", "sft.batch_size", "expected more than 0"),
        ("[sft]\nmin_lr_ratio = 0.1", "sft.min_lr_ratio", "ends at zero"),
        ("[dpo]\nmin_lr_ratio = 1.0", "dpo.min_lr_ratio", "expected 0 to below 1"),
        ("name = 'other'", "name", "Make them equal"),
        ("[sft]\nmethod = 'lora'\nlora_r = 0", "sft.lora_r", "expected more than 0"),
        ("[dpo]\nbeta = 0.0", "dpo.beta", "0.1 to 0.3"),
        ("[pairs]\nsamples = 1", "pairs.samples", "one answer alone has no pair"),
        ("[pairs]\ntemperature = 0.0", "pairs.temperature", "greedy answers are all the same"),
        ("[pairs]\nmargin = 0.0", "pairs.margin", "two sides that tie make no pair"),
        (
            "[pairs.max_shares]\nrefusals = 0.5",
            "pairs.max_shares.refusals",
            "Did you mean 'refusal'?",
        ),
        (
            "[pairs.max_shares]\nwrong = 0.2\nunparsable = 0.2\nrefusal = 0.1\nhallucination = 0.2\nformat_violation = 0.2",
            "pairs.max_shares",
            "sum to 1 or more",
        ),
        ("[[decisions]]\nstage = 'stf'", "decisions[0].stage", "Did you mean 'sft'?"),
        ("[[decisions]]\nstage = 'sft'", "decisions[0].rules", "Add [[decisions.rules]]"),
        (
            "[[decisions]]\nstage = 'sft'\nsuite = 'mbpp'\nrules = [{action = 'stop', why = 'x'}]",
            "decisions[0].suite",
            "Add it to bench.suites",
        ),
        (
            "[[decisions]]\nstage = 'sft'\n[[decisions.rules]]\naction = 'halt'\nwhy = 'x'",
            "decisions[0].rules[0].action",
            "is not a choice",
        ),
        ("[[candidates.hub]]\nsplit = 'train'", "candidates.hub[0].name", "is missing"),
    ],
)
def test_a_wrong_recipe_names_file_key_and_remedy(
    tmp_path: Path, text: str, field: str, says: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BadInput) as caught:
        load_recipe(path)
    assert caught.value.field == field
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="at line 2"):
        load_recipe(write(tmp_path, "seed = 1\nseed 2"))


def test_a_file_that_is_not_utf8_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"description = '\xff'")
    with pytest.raises(BadInput, match="cannot be read"):
        load_recipe(path)


@given(st.text(max_size=80))
def test_any_text_is_a_recipe_or_bad_input(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        assert isinstance(load_recipe(path), Recipe)
    except BadInput as error:
        assert str(path) in str(error)


def test_the_hash_is_of_the_meaning_not_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    plain = load_recipe(write(tmp_path, "seed = 3"))
    commented = load_recipe(write(tmp_path / "a", "# a comment\nseed   = 3\n[sft]\n"))
    assert plain.sha256() == commented.sha256()
    assert plain.sha256() != load_recipe(write(tmp_path, "seed = 4")).sha256()


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("[grpo]\nnum_generations = 1", "grpo.num_generations", "expected 2 to 4096"),
        ("[grpo]\nmax_steps = 0", "grpo.max_steps", "expected more than 0"),
        ("[grpo.rewards]\nstep_seconds = 0", "grpo.rewards.step_seconds", "expected more than 0"),
        ("[grpo]\nscale_rewards = false", "grpo.scale_rewards", "is not a choice"),
        (
            "[[grpo.watch]]\nname='a'\nmetric='b'\ntest='flat'\nthreshold=1.0",
            "grpo.watch[0].test",
            "Known: above",
        ),
        (
            "[[grpo.watch]]\nname='a'\nmetric='b'\ntest='plateau'\nthreshold=1.0",
            "grpo.watch[0].span",
            "look back",
        ),
        (
            "[[grpo.watch]]\nname='a'\nmetric='b'\ntest='diverges'\nthreshold=1.0\nspan=9",
            "grpo.watch[0].against",
            "diverges",
        ),
        (f"{CURVES}recipe='x'\nwhen=[]", "decisions[0].rules[0].when", "needs evidence"),
        (
            f"{CURVES}recipe='../x'\nwhen=[{{metric='m', below=1}}]",
            "decisions[0].rules[0].recipe",
            "not a recipe's name",
        ),
        (
            f"{CURVES}recipe='x'\nwhen=[{{metric='m'}}]",
            "decisions[0].rules[0].when[0]",
            "exactly one of",
        ),
        (
            "[[decisions]]\nstage='sft'\nevidence='curves'\n",
            "decisions[0].evidence",
            "records no rewards",
        ),
        (
            "[[decisions]]\nstage='sft'\nrules=[{action='next_recipe', why='x', recipe='y'}]",
            "decisions[0].rules[0].action",
            "cannot follow from report",
        ),
        (
            f"{CURVES.replace('next_recipe', 'stop')}when=[{{metric='m', below=1}}]",
            "decisions[0].rules[0].action",
            "cannot follow from curves",
        ),
        (
            "[[decisions]]\nstage='sft'\nrules=[{action='stop', why='x', recipe='y'}]",
            "decisions[0].rules[0]",
            "leads to no recipe",
        ),
        (
            "[[decisions]]\nstage='sft'\nrules=[{action='stop', why='x', when=[{metric='gian', above=0}]}]",
            "decisions[0].rules[0].when[0].metric",
            "Did you mean 'gain'?",
        ),
    ],
)
def test_a_wrong_grpo_section_is_named(tmp_path: Path, text: str, field: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        load_recipe(write(tmp_path, text))
    assert caught.value.field == field and says in str(caught.value)


def test_v41_is_the_seeds_recipe_as_it_must_be_written_today() -> None:
    recipe = load_recipe(ROOT / "data" / "recipes" / "tucano-0.5b-v4.1.toml")
    spec = recipe.grpo
    assert spec is not None
    assert (spec.max_steps, spec.learning_rate, spec.lr_scheduler_type, spec.warmup_ratio) == (
        600,
        5e-6,
        "constant_with_warmup",
        0.05,
    )
    assert (
        spec.num_generations,
        spec.prompts_per_step,
        spec.max_completion_length,
        spec.temperature,
    ) == (16, 2, 512, 1.0)
    assert (spec.loss_type, spec.scale_rewards, spec.beta, spec.lora_r, spec.lora_alpha) == (
        "dr_grpo",
        "none",
        0.0,
        16,
        32,
    )
    assert sum(recipe.tasks.train.values()) == 1480


def test_a_capable_model_is_trained_where_the_recipe_says_why(tmp_path: Path) -> None:
    path = tmp_path / "style.toml"
    path.write_text(
        "[model]\ncapable_because = 'it has to learn our format'\n"
        "[gates.capability_gap]\nseverity = 'off'\n"
    )
    recipe = load_recipe(path)
    assert recipe.gates["capability_gap"].severity == "off"
    assert make_plan(recipe, Home(tmp_path)).warnings[0] == (
        "a model is trained that may be capable already: it has to learn our format"
    )


def test_the_default_gates_judge_a_suite_of_ones_own(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, "[bench]\nsuites = ['mine']\n"))
    judged = {name: policy.suite for name, policy in recipe.gates.items()}
    assert judged == {
        "capability_gap": "mine",
        "pass_at_1": "mine",
        "syntax_rate": "mine",
        "smoke_pass_at_1": "smoke",
        "dpo_pass_at_1": "mine",
        "dpo_syntax_rate": "mine",
    }
    assert recipe.gates["smoke_pass_at_1"].severity == "off"
    assert recipe.gates["pass_at_1"].severity == "block"


def test_the_suite_of_the_default_gates_may_be_named_and_a_gate_may_name_another(
    tmp_path: Path,
) -> None:
    text = "[bench]\nsuites = ['heldout', 'mine']\ngate_suite = 'mine'\n[gates.pass_at_1]\nsuite = 'heldout'\n"
    gates = load_recipe(write(tmp_path, text)).gates
    assert (gates["pass_at_1"].suite, gates["dpo_pass_at_1"].suite) == ("heldout", "mine")
    assert gates["pass_at_1"].threshold == 0.40


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("", "tasks.source[0].file", "names no tasks"),
        ("file = 'a'\nhub = 'b'", "tasks.source[0].hub", "stands beside file"),
        ("file = 'a'\nheldout = 'b'", "tasks.source[0].heldout", "stands beside file"),
        ("train = 'a'\nsplit = { train = 1.0 }", "tasks.source[0].split", "have files of their own"),
        ("file = 'a'\nsplit = { train = 0.5 }", "tasks.source[0].split", "sum to 0.5, expected 1"),
        ("file = 'a'\nsplit = { trian = 1.0 }", "tasks.source[0].split.trian", "Did you mean 'train'?"),
        ("file = 'a'\nids = '9-3'", "tasks.source[0].ids", "not a range of numbers"),
        ("file = 'a'\nname = 'a b'", "tasks.source[0].name", "cannot begin an id"),
        ("file = 'x/a.jsonl'\n[[tasks.source]]\nfile = 'y/a.csv'", "tasks.source[1].name", "are called 'a'"),
    ],
)  # fmt: skip
def test_a_wrong_source_of_tasks_is_named(tmp_path: Path, text: str, field: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        load_recipe(write(tmp_path, f"[[tasks.source]]\n{text}"))
    assert caught.value.field == field and says in str(caught.value)


def test_a_finished_grpo_run_has_a_next_recipe_to_ask_for_and_an_unfinished_one_has_none() -> None:
    recipes = ROOT / "data" / "recipes"
    tucano = load_recipe(recipes / "tucano-0.5b-v4.1.toml")
    assert tucano.asks_curves(["base", "grpo"]) and not tucano.asks_curves(["base"])
    assert not load_recipe(recipes / "tiny.toml").asks_curves(["base", "sft", "dpo", "grpo"])
