"""Benchmark items ready to be asked what a row overlaps: by prompt or by solution, also reworded,
renamed or reformatted.

Evidence, the strongest first: the same prompt or solution up to layout and case; the same solution
under other names; most of an item's *own* word n-grams; a prompt or solution that is *nearer* to
the item than any other item of the suites is. What many items share is the suites' wording, not
content: it weighs little, and an item that has a close relative among the items is recognised only
by a row that is closer still, so that short generic rows are not contamination. What this module
does not do: understand; a prompt told in entirely other words is not found by its prompt.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from itertools import chain, pairwise
from typing import Literal, NamedTuple

from ..records import Candidate, Row, Task
from .normal import code_of, code_tokens, nameless, prompt_of, renamed, words

NGRAM = 8
"""Words."""
MIN_GRAMS = 12
"""An item with fewer n-grams of its own is not compared by them."""
MIN_SHARE = 0.5
"""Of an item's own n-grams, how many a row must hold."""
MIN_SOLUTION = 60
"""Characters from which a solution alone is evidence; short commands and answers recur by
nature."""
MIN_TOKENS = 20
"""Tokens from which a solution under other names is evidence."""
MIN_WORDS = 8
"""A shorter prompt within a longer one is not evidence."""
COMMON = 3
"""An n-gram that more items than this hold (or 1 % of them) is wording."""
NEAR_PROMPT = 0.5
NEAR_SOLUTION = 0.6
"""Least overlap of a near prompt or solution, by weight."""
MARGIN = 0.25
"""How much nearer than the item's nearest relative a row must be: this part of the way from there
to equality."""
SAME_ITEM = 0.95
"""Items nearer to each other than this are one item asked twice."""
FEW = 0.2
"""An item of whose rare features a text holds less than this part is not weighed."""
LONGER = 1.5
"""A text up to this many times as heavy as the item's is not marked down for its length."""

Set = frozenset[Hashable]
"""Features of a text: words, pairs of words, tuples of tokens."""
Kind = Literal["prompt", "solution", "renamed_solution", "ngrams", "near_prompt", "near_solution"]


class Hit(NamedTuple):
    """Row ``id`` overlaps item ``task_id`` of ``suite``; ``score`` is 1 for equality, else the part
    of the item that it holds."""

    id: str
    task_id: str
    suite: str
    kind: Kind
    score: float


class Features:
    """Weighted sets of the items' features, and the overlap of a text's features with each."""

    def __init__(
        self, texts: list[str], sets: list[Set], least: float, relatives: Iterable[Set] = ()
    ) -> None:
        self.texts = texts
        self.sets = sets
        self._count = max(1, sum(1 for each in sets if each))
        counts = Counter(feature for each in sets for feature in each)
        self._weights = {
            feature: math.log1p(self._count / number) for feature, number in counts.items()
        }
        self._unknown = (
            math.log1p(self._count) / 2
        )  # neither common nor telling: it may be a synonym
        self.heavy = [self._weigh(each) for each in sets]
        rare = max(COMMON, self._count // 50)
        self._holders: dict[Hashable, list[int]] = defaultdict(list)
        for number, each in enumerate(sets):
            for feature in each:
                if counts[feature] <= rare:
                    self._holders[feature].append(number)
        self._rare = frozenset(self._holders)
        self._rare_of = Counter(chain.from_iterable(self._holders.values()))
        closest = [self._closest(number) for number in range(len(sets))]
        for relative in relatives:
            for number, score in self.nearest(relative):
                if score < SAME_ITEM:
                    closest[number] = max(closest[number], score)
        self.thresholds = [max(least, score + MARGIN * (1 - score)) for score in closest]

    def _weigh(self, features: Set) -> float:
        """Exactly rounded, so that the order of a set does not matter."""
        weights = [self._weights[feature] for feature in features if feature in self._weights]
        return math.fsum(weights) + (len(features) - len(weights)) * self._unknown

    def nearest(self, features: Set, most: int = 4) -> Iterator[tuple[int, float]]:
        """Items that share rare features with a text, with the overlap: shared weight by the
        heavier of the two."""
        rare = features & self._rare
        if not rare:
            return
        named = Counter(chain.from_iterable(map(self._holders.__getitem__, rare)))
        likely = sorted(
            (-count, n) for n, count in named.items() if count >= FEW * self._rare_of[n]
        )[:most]
        weight = self._weigh(features) / LONGER if likely else 0.0
        for _, number in likely:
            shared = self._weigh(features & self.sets[number])
            yield number, shared / max(self.heavy[number], weight)

    def best(self, features: Set, text: str) -> tuple[int | None, float, bool]:
        """The item whose text stands whole in this one, else the nearest for which it is near
        enough; its overlap, and which of the two it was."""
        hits = list(self.nearest(features))
        whole = [number for number, _ in hits if self.texts[number] and self.texts[number] in text]
        if whole:
            return whole[0], 1.0, True
        near = [pair for pair in hits if pair[1] >= self.thresholds[pair[0]]]
        number, score = max(near, key=lambda pair: (pair[1], -pair[0]), default=(None, 0.0))
        return number, score, False

    def _closest(self, number: int) -> float:
        """The overlap with the item's nearest relative among the others."""
        near = self.nearest(self.sets[number], 6)
        return max(
            (score for other, score in near if other != number and score < SAME_ITEM), default=0.0
        )


class SuiteIndex:
    """What the suites' items look like, held in memory (about 10 KiB an item)."""

    def __init__(self, tasks: Iterable[Task], relatives: Iterable[Task] = ()) -> None:
        """``relatives`` are known to be other tasks, however like the items they look: training
        tasks of the same generators."""
        self.tasks, others = list(tasks), list(relatives)
        self._prompts: dict[str, int] = {}
        self._solutions: dict[str, int] = {}
        self._renamed: dict[str, int] = {}
        asked = []
        answered = []
        prompts = []
        programs = []
        for number, task in enumerate(self.tasks):
            prompt_words = words(prompt_of(task.messages))
            self._prompts.setdefault(" ".join(prompt_words), number)
            asked.append(prompt_features(prompt_words))
            prompts.append(f" {' '.join(prompt_words)} " if len(prompt_words) >= MIN_WORDS else "")
            if len(task.reference.strip()) >= MIN_SOLUTION:
                self._solutions.setdefault(_flat(task.reference), number)
            answered.append(_program_features(task))
            programs.append(f" {' '.join(_plain(task.reference))} " if answered[-1] else "")
            for code in _programs(task) if answered[-1] else ():
                self._renamed.setdefault(" ".join(renamed(code_tokens(code))), number)
        self.prompts = Features(
            prompts,
            asked,
            NEAR_PROMPT,
            (prompt_features(words(prompt_of(t.messages))) for t in others),
        )
        self.solutions = Features(
            programs, answered, NEAR_SOLUTION, (_program_features(task) for task in others)
        )
        self._own_grams()

    def _own_grams(self) -> None:
        holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, task in enumerate(self.tasks):
            for gram in set(_grams(words(f"{prompt_of(task.messages)}\n{task.reference}"))):
                holders[gram].append(number)
        most = max(COMMON, len(self.tasks) // 100)
        self._grams = {gram: tuple(each) for gram, each in holders.items() if len(each) <= most}
        self._gram_set = frozenset(self._grams)
        self._own = Counter(number for each in self._grams.values() for number in each)

    def find(self, row: Row | Candidate) -> Hit | None:
        """The strongest overlap of a row with an item, if there is one."""
        prompt_words = words(prompt_of(row.messages))
        number = self._prompts.get(" ".join(prompt_words))
        if number is not None:
            return self._hit(row, number, "prompt")
        number = self._solutions.get(_flat(row.completion))
        if number is not None:
            return self._hit(row, number, "solution")
        tokens = code_tokens(code_of(row.completion))
        other = renamed(tokens) if len(tokens) >= MIN_TOKENS else []
        number = self._renamed.get(" ".join(other)) if other else None
        if number is not None:
            return self._hit(row, number, "renamed_solution")
        return self._by_grams(row, prompt_words) or self._near(
            row, prompt_words, nameless(tokens, other) if other else []
        )

    def _near(self, row: Row | Candidate, prompt_words: list[str], plain: list[str]) -> Hit | None:
        number, score, whole = self.prompts.best(
            prompt_features(prompt_words), f" {' '.join(prompt_words)} "
        )
        if number is not None:
            return self._hit(row, number, "prompt" if whole else "near_prompt", score)
        if not plain:
            return None
        number, score, whole = self.solutions.best(code_features(plain), f" {' '.join(plain)} ")
        kind: Kind = "renamed_solution" if whole else "near_solution"
        return self._hit(row, number, kind, score) if number is not None else None

    def _by_grams(self, row: Row | Candidate, prompt_words: list[str]) -> Hit | None:
        grams = self._gram_set.intersection(_grams([*prompt_words, *words(row.completion)]))
        counts = Counter(chain.from_iterable(map(self._grams.__getitem__, grams)))
        shares = [
            (count / self._own[n], -n) for n, count in counts.items() if self._own[n] >= MIN_GRAMS
        ]
        share, number = max(shares, default=(0.0, 0))
        return self._hit(row, -number, "ngrams", share) if share >= MIN_SHARE else None

    def _hit(self, row: Row | Candidate, number: int, kind: Kind, score: float = 1.0) -> Hit:
        task = self.tasks[number]
        return Hit(row.id, task.id, task.suite, kind, round(min(score, 1.0), 4))


def prompt_features(prompt_words: list[str]) -> Set:
    """Words and pairs of words."""
    return frozenset(prompt_words).union(pairwise(prompt_words))


def code_features(plain: list[str]) -> Set:
    """Three and five tokens in a row, whoever's names they hold; round brackets are often only
    layout."""
    bare = [token for token in plain if token not in ("(", ")", ";")]
    return frozenset(zip(bare, bare[1:], bare[2:])).union(
        zip(bare, bare[1:], bare[2:], bare[3:], bare[4:])
    )


def _plain(completion: str) -> list[str]:
    tokens = code_tokens(code_of(completion))
    return nameless(tokens, renamed(tokens))


def is_program(task: Task) -> bool:
    """Whether the solution is code whose names are its author's, and long enough to be evidence by
    itself."""
    return (
        task.verifier.category == "executable_code"
        and len(task.reference.strip()) >= MIN_SOLUTION
        and len(code_tokens(task.reference)) >= MIN_TOKENS
    )


def answer_features(completion: str) -> Set:
    """The features of the code in an answer."""
    return code_features(_plain(completion))


def _program_features(task: Task) -> Set:
    return answer_features(task.reference) if is_program(task) else frozenset()


def _programs(task: Task) -> list[str]:
    """The reference as it stands, and as a whole program where it continues what the prompt
    begins."""
    prefix = getattr(task.verifier, "prefix", "")
    return (
        [code_of(task.reference), prefix + task.reference] if prefix else [code_of(task.reference)]
    )


def _grams(prompt_words: list[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(prompt_words[start:] for start in range(NGRAM)))


def _flat(text: str) -> str:
    return " ".join(text.split())
