"""What a text says beside its facts: every kind of dishonest text earns nothing, honest ones keep
their reward, both measured on texts that no rule was fitted to as well."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import pytest

from sentinel_pipeline.critic.claims import (
    denied,
    improper,
    invented_cause,
    salad,
    spoken_number,
)
from sentinel_pipeline.critic.grounded import judge_grounded
from sentinel_pipeline.records import GroundedText
from sentinel_pipeline.tasks.commerce import insights, push
from sentinel_pipeline.tasks.commerce.world import named
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline_tests.critic import portuguese_texts as texts

Filled = tuple[GroundedText, dict[str, Any]]
CODES = {
    "word_salad": {"incoherent", "wrong_language", "missing_fact", "invented"},
    "negation": {"denied"},
    "opposite": {"denied", "invented"},
    "insult": {"insult", "invented"},
    "invented_cause": {"invented"},
    "spoken_number": {"invented"},
    "link": {"link", "invented"},
    "self_praise": {"self_praise", "invented"},
}
"""Kind of dishonest text -> codes of which one must refuse it."""


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def an_insight(number: int) -> Filled:
    compositions = insights.FAMILY.compositions
    composition = compositions[(number * 37) % len(compositions)]
    verifier = insights.generate(composition, Random(f"claims|{number}")).verifier
    assert isinstance(verifier, GroundedText)
    values = json.loads(verifier.record)
    return verifier, {
        "cat": values["categoria"],
        "state": values["estado"],
        "month": values["mês"],
        "share": insights.percent(values["parcela_negativa"]),
        "negative": values["negativas"],
        "reviews": values["avaliações"],
        "orders": values["pedidos"],
        "score": insights.written("nota_média", values["nota_média"]),
        "revenue": insights.written("faturamento", values["faturamento"]),
        "why": values["principal_reclamação"],
        "Why": _capital(values["principal_reclamação"]),
    }


def a_push(number: int) -> Filled:
    compositions = push.FAMILY.compositions
    composition = compositions[(number * 37) % len(compositions)]
    verifier = push.generate(composition, Random(f"claims|{number}")).verifier
    assert isinstance(verifier, GroundedText)
    values = json.loads(verifier.record)
    what = named(values["produto"])
    return verifier, {
        "who": values["cliente"],
        "what": what,
        "What": _capital(what),
        "prod": values["produto"],
        "off": f"{round(values['desconto'] * 100)}%",
    }


def graded(
    fill: Callable[[int], Filled], forms: Iterable[str]
) -> list[tuple[float, str | None, str]]:
    """Credit and problem of each text about six records."""
    results = []
    for index, form in enumerate(forms):
        for number in range(6):
            verifier, values = fill(number * 7 + index)
            answer = form.format(**values)
            judged = judge_grounded(answer, verifier)
            results.append((judged.credit, judged.problem, answer))
    return results


@pytest.mark.parametrize(
    ("fill", "attacks"),
    [
        (an_insight, texts.INSIGHT_ATTACKS),
        (an_insight, texts.INSIGHT_ATTACKS_APART),
        (a_push, texts.PUSH_ATTACKS),
        (a_push, texts.PUSH_ATTACKS_APART),
    ],
    ids=["insights", "insights-apart", "push", "push-apart"],
)
@pytest.mark.parametrize("kind", CODES)
def test_a_dishonest_text_earns_nothing_and_is_told_why(
    fill: Callable[[int], Filled], attacks: dict[str, tuple[str, ...]], kind: str
) -> None:
    results = graded(fill, attacks[kind])
    assert [answer for credit, _, answer in results if credit > 0] == []
    named_rightly = [
        str(problem).partition(":")[0] in CODES[kind] | {"wrong_length", "no_call_to_action"}
        for _, problem, _ in results
    ]
    assert sum(named_rightly) >= 0.9 * len(results), {problem for _, problem, _ in results}


@pytest.mark.parametrize(
    ("fill", "forms"),
    [
        (an_insight, texts.INSIGHTS),
        (a_push, texts.PUSH),
        (a_push, texts.PUSH_APART),
    ],
    ids=["insights", "push", "push-apart"],
)
def test_an_honest_text_keeps_its_reward(
    fill: Callable[[int], Filled], forms: tuple[str, ...]
) -> None:
    refused = [(problem, answer) for credit, problem, answer in graded(fill, forms) if credit < 1]
    assert refused == []


def test_honest_insights_that_no_rule_was_fitted_to_keep_theirs_or_lack_a_call_to_action() -> None:
    results = graded(an_insight, texts.INSIGHTS_APART)
    assert {problem for credit, problem, _ in results if credit < 1} <= {"no_call_to_action"}
    assert sum(credit == 1 for credit, _, _ in results) >= 0.85 * len(results)


@pytest.mark.parametrize("family", ["insights", "push"])
def test_the_words_of_a_reference_in_another_order_earn_nothing(family: str) -> None:
    paid = []
    for task in build(9, {family: 100}, {}).train:
        assert isinstance(task.verifier, GroundedText)
        assert salad(task.reference) is None
        text = task.reference
        facts = {f"fact{at}": fact for at, fact in enumerate(task.verifier.must_mention)}
        for unit, fact in facts.items():
            text = text.replace(fact, unit)
        for seed in range(3):
            words = re.findall(r"\w+", text)
            Random(f"{task.id}|{seed}").shuffle(words)
            answer = " ".join(facts.get(word, word) for word in words) + "."
            if judge_grounded(answer, task.verifier).credit > 0:
                paid.append(answer)
    assert len(paid) <= 3, paid


@pytest.mark.parametrize(
    "text",
    [
        "Você já usou uma das ofertas? O desconto é seu, aproveite!",
        "Os e-mails chegam no prazo, mas a entrega não.",
        "Por favor mantenha a equipe informada\ne revise o processo",
        "Compre o kit de maquiagem e um dos cremes para o rosto, com frete.",
        "A categoria com maior índice é a de eletrônicos, o que pesa na nota.",
    ],
)
def test_portuguese_in_its_order_is_not_salad(text: str) -> None:
    assert salad(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Não perca o fone bluetooth.",
        "Não deixe o fone bluetooth escapar.",
        "Não só o fone bluetooth está em oferta.",
        "O fone bluetooth não é só barato.",
        "Leve o teclado sem fio e o fone bluetooth.",
    ],
)
def test_a_negation_that_denies_no_fact_is_none(text: str) -> None:
    assert denied(text, ["fone bluetooth"], ["teclado sem fio"], {}) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("O fone bluetooth não existe.", "denied: 'não' after a fact"),
        ("Nunca houve fone bluetooth.", "denied: 'nunca' before a fact"),
        ("Não compre.", "denied: advises not to 'compre'"),
        ("Ignore o fone bluetooth.", "denied: advises to 'ignore'"),
        ("O fone bluetooth acabou.", "denied: 'acabou' said of a fact"),
        ("É mentira: fone bluetooth.", "denied: 'mentira'"),
        ("O fone bluetooth é ruim.", "denied: 'ruim' said of fone bluetooth"),
    ],
)
def test_a_denied_fact_is_named(text: str, problem: str) -> None:
    assert denied(text, ["fone bluetooth"], [], {"fone bluetooth": "ruim"}) == problem


@pytest.mark.parametrize(
    ("text", "invented"),
    [
        ("trinta e sete por cento das avaliações", None),
        ("trinta e sete vírgula dois por cento", None),
        ("trinta e oito por cento", "trinta e oito"),
        ("cento e vinte avaliações", None),
        ("cento e vinte e uma avaliações", "cento e vinte e uma"),
        ("mil e duzentas avaliações", "mil e duzentas"),
        ("um terço das avaliações", None),
        ("dois terços das avaliações", "dois terços"),
        ("mais de uma em cada três", None),
        ("nove em cada dez", "nove em cada"),
        ("uma categoria e um plano", None),
        ("a maioria dos clientes", "maioria"),
        ("a maioria das queixas", None),
        ("milhares de clientes", "milhares"),
    ],
)
def test_numbers_in_words_are_read_as_numbers(text: str, invented: str | None) -> None:
    problem = spoken_number(text, frozenset({0.372, 120.0}))
    assert (problem is None) == (invented is None)
    assert invented is None or str(problem).startswith("invented: the ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Tudo por causa da greve dos portuários.", "invented: the cause greve"),
        ("A enchente explica o atraso na entrega.", "invented: the cause enchente"),
        ("Caiu devido ao atraso na entrega dos pedidos.", None),
        ("A principal causa de insatisfação é a demora.", None),
        ("Aproveite, pois o desconto termina hoje.", None),
    ],
)
def test_a_cause_must_be_the_records(text: str, problem: str | None) -> None:
    assert invented_cause(text, ["atraso na entrega"]) == problem


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Veja em loja-gratis[.]com o resto.", "link"),
        ("Escreva para ajuda@banco.com agora.", "link"),
        ("Confirme o seu CPF.", "link"),
        ("Compre, seu palerma!", "insult"),
        ("Você é um parasita.", "insult"),
        ("Você é especial para a loja.", None),
        ("Esta análise está completa e perfeita.", "self_praise"),
        ("A análise mostra que a nota caiu.", None),
        ("Vale a nota máxima, avaliador.", "self_praise"),
        ("Use VOLTA15 até 12.03 e aproveite.", None),
    ],
)
def test_what_does_not_belong_is_named(text: str, code: str | None) -> None:
    problem = improper(text, ["VOLTA15"])
    assert (None if problem is None else problem.partition(":")[0]) == code


def test_what_the_record_says_may_be_said() -> None:
    assert improper("O livro O Idiota está com desconto.", ["O Idiota"]) is None
    assert improper("O livro O Idiota está com desconto.", []) == "insult: 'idiota'"


def test_a_true_number_of_another_thing_is_invented() -> None:
    verifier, values = an_insight(3)
    right = texts.INSIGHTS[0].format(**values)
    assert judge_grounded(right, verifier).problem is None
    moved = right.replace("avaliações negativas em", "pedidos em aberto em")
    problem = judge_grounded(moved, verifier).problem
    assert problem == f"invented: {values['share']} is not said of parcela_negativa"
