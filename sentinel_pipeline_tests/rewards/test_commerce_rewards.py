"""A shop's four rewards as a user's own function: licensed by gold and known-bad answers, the same
numbers in the trainer's process and in the sandbox."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.audit.exam import Material, examine
from sentinel_pipeline.audit.own_rewards import check_own_rewards, own_reward_exams
from sentinel_pipeline.records.reward_spec import OwnReward
from sentinel_pipeline.rewards import Scoring
from sentinel_pipeline.rewards.own import own_rewards
from sentinel_pipeline_tests.rewards import commerce_rewards

REVIEW = '{"sentiment": "negative", "sentiment_score": 4.5, "complaint_category": "delivery"}'
"""What the extraction tasks expect."""
CASES: list[tuple[str, str, str, str]] = [
    ("extraction", REVIEW, "gold", REVIEW),
    ("extraction", REVIEW.replace("4.5", "4,5"), "gold", REVIEW),
    ("extraction", f"```json\n{REVIEW}\n```", "gold", REVIEW),
    ("extraction", REVIEW.replace("negative", "positive").replace("4.5", "1"), "bad", REVIEW),
    ("extraction", '{"sentiment": "negative"}', "bad", REVIEW),
    ("sql_qa", "Foram 1.234,50 reais em 12 pedidos.", "gold", "1234.5 e 12"),
    ("sql_qa", "Foram 12 pedidos, ou 13, ou 14, ou 15.", "bad", "12"),
    (
        "insights",
        "As reclamações de entrega em Recife crescem: renegocie o prazo com a transportadora para os "
        "pedidos de sofá.",
        "gold",
        "entrega;Recife;sofá",
    ),
    ("insights", "Tudo está bem e nada há que fazer por enquanto neste mês de vendas para o time.", "bad", "entrega;Recife;sofá"),
    ("push", "Ana, o fone está com 15% de desconto: aproveite hoje!", "gold", "fone;15%"),
    ("push", "Compre agora tudo o que você quiser com a gente, aproveite!", "bad", "fone;15%"),
]  # fmt: skip
"""Family, answer, label, reference."""


def project(root: Path, run: str) -> OwnReward:
    """A project's folder with the module and its examples."""
    shutil.copy(commerce_rewards.__file__, root / "shop_rewards.py")
    rows = [
        {
            "prompt": f"Tarefa {number}",
            "completion": answer,
            "label": label,
            "family": family,
            "reference": reference,
        }
        for number, (family, answer, label, reference) in enumerate(CASES)
    ]
    folder = root / "examples"
    folder.mkdir(exist_ok=True)
    (folder / "shop.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields: dict[str, Any] = {"run": run}
    return OwnReward(
        name="commerce",
        function="shop_rewards:commerce",
        examples="examples",
        accepts_from=0.6,
        **fields,
    )


@pytest.mark.parametrize("run", ["process", "sandbox"])
def test_the_four_rewards_are_licensed_by_their_examples(tmp_path: Path, run: str) -> None:
    spec = project(tmp_path, run)
    check_own_rewards([spec], tmp_path)
    (exam,) = own_reward_exams([spec], tmp_path)(Material((), ()))
    audited = examine(exam)
    assert audited.refusal is None
    assert audited.n_gold == sum(case[2] == "gold" for case in CASES)
    # Five bad answers, and four hacks to each of the first three gold answers' prompts.
    assert audited.n_bad == 5 + 12


def test_the_same_answers_earn_the_same_in_the_process_and_in_the_sandbox(tmp_path: Path) -> None:
    values = []
    for run in ("process", "sandbox"):
        (reward,) = own_rewards([project(tmp_path, run)], tmp_path, Scoring())
        turns = [[{"role": "assistant", "content": case[1]}] for case in CASES]
        turns.append([{"role": "assistant", "content": "Hello"}])
        values.append(
            reward(
                turns,
                prompts=[[{"role": "user", "content": "Tarefa"}]] * len(turns),
                family=[*(case[0] for case in CASES), "chat"],
                reference=[*(case[3] for case in CASES), ""],
            )
        )
        reward.close()
    assert values[0] == values[1]
    # A score that is written 4,5 earns what 4.5 earns; a task of another family earns nothing.
    assert values[0][:3] == [1.0, 1.0, 1.0]
    assert values[0][-1] is None


def test_a_parser_without_the_decimal_comma_is_refused_on_the_same_examples(tmp_path: Path) -> None:
    spec = project(tmp_path, "sandbox")
    module = tmp_path / "shop_rewards.py"
    module.write_text(module.read_text().replace("(inner, pointed)", "(inner,)"))
    (exam,) = own_reward_exams([spec], tmp_path)(Material((), ()))
    assert "83.3 % of reward:commerce's gold answers accepted" in str(examine(exam).refusal)
