"""Requests are recognised by what they mean, in other languages too, where no program says
otherwise; and nothing else is."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import pytest

from benchmarks.decontamination import QUESTIONS
from benchmarks.rewordings import DEVELOPMENT, JUDGED, as_items
from sentinel_pipeline.mix.decontam import decontaminate
from sentinel_pipeline.mix.meaning import MIN_ALIKE, MIN_BACKGROUND, Meanings
from sentinel_pipeline.mix.suite_index import SuiteIndex
from sentinel_pipeline.records import Candidate, Message, Task

ITEMS = as_items({"development": DEVELOPMENT, "judged": JUDGED})


def asking(text: str, answer: str = "Sure.") -> Candidate:
    return Candidate(id="r", source="s", messages=(Message("user", text),), completion=answer)


@pytest.fixture(scope="module")
def index() -> SuiteIndex:
    return SuiteIndex(ITEMS)


def test_translations_are_found_and_are_of_the_right_item(index: SuiteIndex) -> None:
    hits = [index.find(asking(translated)) for _, _, translated in DEVELOPMENT]
    right = [hit is not None and hit.task_id == f"development/{n}" for n, hit in enumerate(hits)]
    assert sum(right) >= 16, "four in five"
    assert all(hit is None or ok for hit, ok in zip(hits, right, strict=True))


def test_questions_about_programming_are_no_items(index: SuiteIndex) -> None:
    assert [text for text in QUESTIONS if index.find(asking(text))] == []


def test_a_request_for_something_else_in_another_language_is_no_item(index: SuiteIndex) -> None:
    for text in (
        "Escreva uma função que desenhe uma bandeira do Brasil.",
        "Schreibe eine Funktion, die eine Rechnung als PDF speichert.",
        "Écris une fonction qui joue une note de musique.",
        "编写一个函数,从数据库读取用户的头像。",
    ):
        assert index.find(asking(text)) is None, text


def test_few_items_without_a_background_are_not_compared(index: SuiteIndex) -> None:
    assert not Meanings(["a"] * (MIN_BACKGROUND - 1)).usable
    assert Meanings(["a"], ["b"] * MIN_BACKGROUND).usable
    few = SuiteIndex(ITEMS[:9])
    assert few.find(asking("What does money grow to when interest earns interest?")) is None


def test_an_index_that_went_to_another_process_finds_the_same(index: SuiteIndex) -> None:
    other: SuiteIndex = pickle.loads(pickle.dumps(index))
    for _, reworded, translated in DEVELOPMENT[:5]:
        for text in (reworded, translated):
            assert other.find(asking(text)) == index.find(asking(text))


def test_a_text_has_one_vector_whoever_stands_beside_it() -> None:
    meanings = Meanings([task.messages[0].content for task in ITEMS])
    first = meanings.similarities("Conte as vogais de um texto.")
    meanings.similarities("Sort a list.")
    assert (meanings.similarities("Conte as vogais de um texto.") == first).all()


class Template(NamedTuple):
    """Requests that differ in what fills their slots, in English and Portuguese."""

    english: str
    portuguese: str
    slots: tuple[dict[str, str], ...]

    def requests(self, count: int) -> list[tuple[str, str]]:
        """So many different ones."""
        fillings = [each for each in product(*self.slots) if len(set(each)) == len(each)]
        return [
            (
                self.english.format(*each),
                self.portuguese.format(
                    *(slot[word] for slot, word in zip(self.slots, each, strict=True))
                ),
            )
            for each in random.Random(1).sample(fillings, count)
        ]


STATISTICS = {
    "average": "média", "highest": "maior", "lowest": "menor", "total": "soma",
    "median": "mediana", "latest": "última", "oldest": "mais antiga",
}  # fmt: skip
FIELDS = {
    "price": "preço", "weight": "peso", "age": "idade", "height": "altura", "salary": "salário",
    "rating": "nota", "temperature": "temperatura", "speed": "velocidade", "depth": "profundidade",
}  # fmt: skip
THINGS = {
    "cars": "carros", "books": "livros", "employees": "funcionários", "houses": "casas",
    "students": "alunos", "ships": "navios", "dogs": "cachorros", "mountains": "montanhas",
    "films": "filmes", "players": "jogadores", "hotels": "hotéis", "rivers": "rios",
}  # fmt: skip
PLACES = {
    "city": "cidade", "shop": "loja", "school": "escola", "country": "nação", "team": "equipe",
    "village": "aldeia", "region": "região",
}  # fmt: skip
UNITS = {
    "miles": "milhas", "pounds": "libras", "ounces": "onças", "litres": "litros", "hours": "horas",
    "weeks": "semanas", "feet": "pés", "inches": "polegadas", "joules": "joules", "volts": "volts",
    "watts": "watts", "degrees": "graus", "knots": "nós", "tons": "toneladas", "bytes": "bytes",
}  # fmt: skip
NUMBERS = {str(number): str(number) for number in range(3, 90)}
TEMPLATES = {
    "numbers": Template(
        "Write a function that takes a list of numbers, multiplies each of them by {} and adds {}.",
        "Escreva uma função que receba uma lista de números, multiplique cada um por {} e some {}.",
        (NUMBERS, NUMBERS),
    ),
    "statistics": Template(
        "Write a function that returns the {} {} of all {} of a {}.",
        "Escreva uma função que devolva a {} de {} de todos os {} de uma {}.",
        (STATISTICS, FIELDS, THINGS, PLACES),
    ),
    "units": Template(
        "Write a function to convert {} to {}.",
        "Escreva uma função para converter {} em {}.",
        (UNITS, UNITS),
    ),
    "table": Template(
        "Given a table of {}, write code that lists the {} of each whose {} is above {}.",
        "Dada uma tabela de {}, escreva código que liste {} de cada um cujo {} seja acima de {}.",
        (THINGS, FIELDS, FIELDS, NUMBERS),
    ),
    "class": Template(
        "Create a class for {} of a {} with the attributes {} and {} and a method that prints them.",
        "Crie uma classe para {} de uma {} com os atributos {} e {} e um método que os imprima.",
        (THINGS, PLACES, FIELDS, FIELDS),
    ),
    "instructions": Template(
        "You are an expert programmer. Read the task with care, think about the edge cases, and "
        "answer with one complete function and nothing else. Task: draw the {} of {} as a chart.",
        "Você é um programador experiente. Leia a tarefa com cuidado, pense nos casos extremos e "
        "responda com uma função completa e nada mais. Tarefa: desenhe {} de {} em um gráfico.",
        (FIELDS, THINGS),
    ),
    "question": Template(
        "Which of the {} in a {} has the best {}? Answer with a program.",
        "Qual dos {} em uma {} tem o melhor {}? Responda com um programa.",
        (THINGS, PLACES, FIELDS),
    ),
}


def of_template(requests: list[tuple[str, str]]) -> list[Task]:
    """Items that ask the English ones."""
    return [
        replace(
            ITEMS[0], id=f"template/{n}", suite="template", messages=(Message("user", english),)
        )
        for n, (english, _) in enumerate(requests)
    ]


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("language", [0, 1], ids=["english", "portuguese"])
def test_rows_of_one_template_with_other_content_are_no_items(name: str, language: int) -> None:
    """40 items are of the template, and every row differs from each of them in a slot."""
    requests = TEMPLATES[name].requests(100)
    items = [*ITEMS, *of_template(requests[:40])]
    rows = [asking(each[language]) for each in requests[40:]]
    hits = decontaminate(rows, items).hits
    assert len(hits) <= 0.05 * len(rows), hits


def test_translated_items_of_a_template_are_found() -> None:
    requests = TEMPLATES["table"].requests(100)
    items = [*ITEMS, *of_template(requests[:40])]
    index = SuiteIndex(items)
    index.learn([asking(translated) for _, translated in requests[40:]])
    hits = [index.find(asking(translated)) for _, translated in requests[:40]]
    right = [hit is not None and hit.task_id == f"template/{n}" for n, hit in enumerate(hits)]
    assert sum(right) >= 24, "three in five"


@pytest.mark.parametrize(
    ("item", "other"),
    [
        ("Convert the given string to lower case.", "Convert the given string to upper case."),
        ("Convert miles per hour to knots.", "Convert knots to miles per hour."),
        ("Keep the words of a text longer than 5 letters.", "Keep words of over 7 letters in texts."),
        (
            "Write a function to split a string at every comma.",
            "Write a function to split a string at every uppercase letter.",
        ),
    ],
)  # fmt: skip
def test_what_says_another_value_in_the_items_words_is_no_rewording(item: str, other: str) -> None:
    task = replace(ITEMS[0], id="one", messages=(Message("user", item),))
    hit = SuiteIndex([*ITEMS, task]).find(asking(other))
    assert hit is None, hit


def test_what_a_template_says_weighs_nothing_among_its_texts() -> None:
    requests = [english for english, _ in TEMPLATES["instructions"].requests(MIN_ALIKE + 1)]
    meanings = Meanings([*(task.messages[0].content for task in ITEMS), *requests[:-1]])
    first = len(ITEMS)
    other = requests[-1]
    among = meanings.among_alike(first, other)
    assert among is not None
    assert meanings.similarities(other)[first] > 0.75, "nearly the same text"
    assert among[first] < 0.6
    same = meanings.among_alike(first, requests[0])
    assert same is not None
    assert same[first] == pytest.approx(1.0, abs=1e-4)


def test_a_text_that_few_are_like_has_no_template() -> None:
    meanings = Meanings([task.messages[0].content for task in ITEMS])
    assert meanings.among_alike(0, ITEMS[0].messages[0].content) is None
