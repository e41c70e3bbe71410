"""Benchmark items ready to be asked what a row overlaps: by what it asks, by its solution or by its
tests, also reworded, translated, renamed, restructured or in another writing.

Every turn of a row is looked at, and what it hides (``hidden``). Evidence, the strongest first: an
item's prompt or the statement in it, alone or within more text; its solution, also under other
names; its tests; most of its *own* word n-grams; a request or program that is *nearer* to the item
than any other item of the suites is; of a row without a program, a request that *means* the same
(``meaning``). What many items share is the suites' wording, and what many rows of the corpus share
is a template's (``learn``): it weighs little, in what a text means as well. Nearness alone has to
be borne out: a request that is near counts less where the row answers it with another program, a
program that is near less where something else was asked.

What this module does not do: understand; a prompt told in entirely other words is not found by its
prompt, and an item whose every word is a template's is found by equality alone.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from functools import cached_property
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..critic.fences import fences
from ..critic.unicode_text import plain
from ..records import Candidate, Row, Task
from .concepts import GENERIC, OPPOSITES, concepts, foreign
from .hidden import hidden_texts
from .meaning import MAX_CHARACTERS, Meanings
from .normal import code_in, code_of, code_tokens, nameless, prompt_of, renamed, words

if TYPE_CHECKING:
    import numpy as np

NGRAM = 8
"""Words."""
MIN_GRAMS = 12
"""An item with fewer n-grams of its own is not compared by them."""
MIN_SHARE = 0.5
"""Of an item's own n-grams, or of its tests', how many a row must hold."""
TEST_GRAM = 6
"""Tokens of tests."""
MIN_TEST_GRAMS = 6
MIN_SOLUTION = 60
"""Characters from which a solution alone is evidence; short commands and answers recur by
nature."""
MIN_TOKENS = 20
"""Tokens from which a solution under other names is evidence."""
TELLING_TOKENS = 40
"""Tokens from which it is, whatever was asked."""
MIN_STATEMENT = 6
"""Words of a statement that is evidence within a longer text, as sentences of their own; a shorter
one has to be all of it."""
LONG_STATEMENT = 12
"""Words from which it need not be sentences of their own."""
COMMON = 3
"""An n-gram that more items than this hold (or 1 % of them) is wording."""
FRAMING = 0.1
"""A sentence that this part of a suite's items hold, names and numbers apart, frames them."""
SURE_PROMPT = 0.85
SURE_SOLUTION = 0.95
FEW_PROMPT = 0.65
"""Least overlap of a request with an item that has few concepts."""
TOLD_SOLUTION = 0.75
"""Least overlap of a program where the row says what it is about."""
"""Overlap that counts although the row's other side is another's."""
BORNE_OUT = 0.7
AGREES = 0.35
"""Overlap of the other side that bears a near one out."""
LEAD = 0.1
"""How much nearer the item must be than the next one where words stand in another order."""
CONFLICT = 0.08
"""Part of an item's concepts that a request replaces by other items' concepts."""
SAME_ITEM = 0.95
"""Items nearer to each other than this are one item asked twice."""
FEW = 0.25
"""An item of whose rare features a text holds less than this part is not weighed."""
LONGER = 1.25
"""A text up to this many times as heavy as the item's is not marked down for its length."""
TEMPLATE_ROWS = 30
TEMPLATE_SHARE = 0.002
"""A feature that so many different rows of the corpus hold, and this part of them, is a
template's."""
TEMPLATE_WEIGHT = 0.1
MIN_OWN = 0.2
"""An item of whose weight less than this is its own, and not a template's, is found by equality
alone."""
MAX_PARAGRAPHS = 40
"""Paragraphs of a long turn that are compared one by one."""
MAX_TOPICS = 60
"""Concepts of a request that is looked for in other words."""
MIN_CONCEPTS = 4
"""Content words from which a request says what it is about."""
MIN_MEANT = 3
"""Content words from which it can be compared by what it means."""
MEANT = 0.7
"""Least similarity in meaning, with ``AGREEMENT`` of the shared concepts; it and the two below were
chosen on requests of ``benchmarks.rewordings.DEVELOPMENT``."""
MEANT_LEAD = 0.1
"""How much less any other item must have of it."""
AGREEMENT = 0.3
MIN_SHARED = 0.05
"""An English request that shares less of its concepts with every item is not compared further."""
MEANT_AMONG_ALIKE = 0.5
"""Least similarity with an item of a template, less what the template's items share; it and the one
below were chosen on templates of which nothing is measured."""
MEANT_LEAD_AMONG_ALIKE = 0.2
ITS_WORDS = 0.5
"""Part of an item's words, in their order, from which a request is in the item's words."""
ONE_MEANING = 0.95
"""Items nearer to each other than this in meaning are one item asked twice."""

Set = frozenset[Hashable]
"""Features of a text: words, pairs of words, tuples of tokens."""
Kind = Literal[
    "prompt", "solution", "renamed_solution", "tests", "ngrams", "near_prompt", "near_solution"
]


class Hit(NamedTuple):
    """Row ``id`` overlaps item ``task_id`` of ``suite``; ``score`` is 1 for equality, else the part
    of the item that it holds."""

    id: str
    task_id: str
    suite: str
    kind: Kind
    score: float


class Bars(NamedTuple):
    """What near means."""

    least: float
    """Least overlap, by weight."""
    margin: float
    """How much nearer than the item's nearest relative a row must be: this part of the way from
    there to equality."""


PROMPTS = Bars(0.45, 0.1)
TOPICS = Bars(0.5, 0.1)
SOLUTIONS = Bars(0.55, 0.2)
NAMES = Bars(0.45, 0.1)


class Features:
    """Weighted sets of the items' features, and the overlap of a text's features with each."""

    def __init__(self, sets: list[Set], bars: Bars, relatives: Iterable[Set] = ()) -> None:
        self.sets = sets
        self._bars = bars
        self._relatives = list(relatives)
        self._count = max(1, sum(1 for each in sets if each))
        self.counts = Counter(feature for each in sets for feature in each)
        rare = max(COMMON, self._count // 50)
        self._holders: dict[Hashable, list[int]] = defaultdict(list)
        for number, each in enumerate(sets):
            for feature in each:
                if self.counts[feature] <= rare:
                    self._holders[feature].append(number)
        self._all_holders: dict[Hashable, list[int]] = defaultdict(list)
        for number, each in enumerate(sets):
            for feature in each:
                self._all_holders[feature].append(number)
        self._rare = frozenset(self._holders)
        self._rare_of = Counter(chain.from_iterable(self._holders.values()))
        self.temper(frozenset())

    def temper(self, common: Set) -> None:
        """Weigh the features, those that are ``common`` in the corpus little, and calibrate how
        near is near."""
        self._weights = {
            feature: math.log1p(self._count / number)
            * (TEMPLATE_WEIGHT if feature in common else 1.0)
            for feature, number in self.counts.items()
        }
        # Neither common nor telling: it may be a synonym.
        self._unknown = math.log1p(self._count) / 2
        self.heavy = [self._weigh(each) for each in self.sets]
        own = [self._weigh(each - common) for each in self.sets]
        closest = [self._closest(number) for number in range(len(self.sets))]
        for relative in self._relatives:
            for number, score in self.nearest(relative):
                if score < SAME_ITEM:
                    closest[number] = max(closest[number], score)
        self.thresholds = [
            max(self._bars.least, score + self._bars.margin * (1 - score))
            if own_weight >= MIN_OWN * heavy
            else 2.0
            for score, own_weight, heavy in zip(closest, own, self.heavy, strict=True)
        ]

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
            yield number, self._overlap(number, features, weight)

    def shared(self, features: Set) -> dict[int, float]:
        """The overlap of a text with every item that shares anything with it."""
        amounts: dict[int, list[float]] = defaultdict(list)
        for feature in features & self.counts.keys():
            for number in self._all_holders[feature]:
                amounts[number].append(self._weights[feature])
        weight = self._weigh(features) / LONGER
        return {
            number: math.fsum(each) / max(self.heavy[number], weight, 1e-9)
            for number, each in amounts.items()
        }

    def ranked(self, features: Set) -> list[tuple[int, float]]:
        """All items that share anything with a text, the nearest first: for texts whose features
        are common one by one."""
        shared: dict[int, float] = defaultdict(float)
        for feature in features:
            weight = self._weights.get(feature)
            if weight is not None:
                for number in self._all_holders[feature]:
                    shared[number] += weight
        weight = self._weigh(features) / LONGER
        scores = [
            (number, amount / max(self.heavy[number], weight, 1e-9))
            for number, amount in shared.items()
            if 2 * amount >= self.heavy[number]
        ]
        # Rounded: sums differ in their last digits by the order of a set.
        return sorted(scores, key=lambda pair: (-round(pair[1], 6), pair[0]))[:4]

    def overlap(self, number: int, features: Set) -> float:
        """Of one item with a text."""
        return self._overlap(number, features, self._weigh(features) / LONGER)

    def _overlap(self, number: int, features: Set, weight: float) -> float:
        shared = self._weigh(features & self.sets[number])
        return shared / max(self.heavy[number], weight, 1e-9)

    def _closest(self, number: int) -> float:
        """The overlap with the item's nearest relative among the others."""
        near = self.nearest(self.sets[number], 6)
        return max(
            (score for other, score in near if other != number and score < SAME_ITEM), default=0.0
        )


class _Statement(NamedTuple):
    """What an item asks, as words, and as words with marks where sentences end."""

    number: int
    words: str
    marked: str
    long: bool


class _Text(NamedTuple):
    """One text of a row: a turn, or what one hides."""

    content: str
    words: list[str]
    asks: bool
    """Whether it may be a request: not the row's own answer."""
    open: bool
    """Whether it stands in the row as it is, and is not hidden in another text."""


class _Request(NamedTuple):
    """What a text asks: its words, its concepts, and them with their pairs; whether it is in
    English."""

    text: str
    topics: Set
    meaning: Set
    foreign: bool
    informative: bool
    """Whether it says openly what it is about."""


def _request(text: str, request_words: list[str], is_open: bool = True) -> _Request:
    names = concepts(request_words)
    topics: Set = frozenset(names)
    # Neighbours in either order: languages order words otherwise.
    pairs = (tuple(sorted(pair)) for pair in pairwise(names))
    informative = is_open and len(topics) >= MIN_CONCEPTS
    return _Request(text, topics, topics.union(pairs), foreign(request_words), informative)


class RowText:
    """What a row says, read once: every turn, the completion, and what they hide."""

    def __init__(self, row: Row | Candidate) -> None:
        texts: list[_Text] = []
        asked: list[str] = []
        turns = [(turn.content, turn.role not in ("assistant", "tool")) for turn in row.messages]
        for content, asks in (*turns, (row.completion, False)):
            text_words = words(content)
            texts.append(_Text(content, text_words, asks, True))
            for other in hidden_texts(content, text_words):
                texts.append(_Text(other, words(other), True, False))
            if asks:
                asked.append(content)
        if len(asked) > 1:  # an item may be split over the turns
            joined = "\n".join(asked)
            texts.append(_Text(joined, words(joined), True, True))
            users = prompt_of(row.messages)
            if users != joined:
                texts.append(_Text(users, words(users), True, True))
        self.texts = texts
        self.answer = _programs_in(row.completion)
        self.programs = list(self.answer)
        for text in texts:
            if text.content is not row.completion:
                self.programs += _programs_in(text.content, bare=not text.asks)

    @cached_property
    def requests(self) -> list[_Request]:
        """What may be a request; of long texts each paragraph as well."""
        requests: dict[str, _Request] = {}
        for text in self.texts:
            if not text.asks:
                continue
            requests[text.content] = _request(text.content, text.words, text.open)
            head = _described(text.content) or _EXAMPLES.split(text.content)[0]
            if len(head) < len(text.content):
                requests[head] = _request(head, words(head), text.open)
            if text.open and len(text.words) > 60:
                parts = [part for part in text.content.split("\n") if len(part) > 20]
                for part in parts[:MAX_PARAGRAPHS]:
                    requests[part] = _request(part, words(part), text.open)
        return list(requests.values())


def _programs_in(text: str, *, bare: bool = True) -> list[list[str]]:
    """Tokens of the programs in a text that are long enough to compare: its fenced blocks together,
    or all of it where it has none and ``bare`` text may be code."""
    blocks = fences(text)
    if not blocks and not bare and not _CODE_LINE.search(text):
        return []
    tokens = code_tokens(code_in(text, blocks))
    return [tokens] if len(tokens) >= MIN_TOKENS else []


_CODE_LINE = re.compile(
    r"^[ \t]*(?:def |class |for .*:$|while .*:$|function |return\b)", re.MULTILINE
)


class SuiteIndex:
    """What the suites' items look like, held in memory (about 20 KiB an item)."""

    def __init__(self, tasks: Iterable[Task], relatives: Iterable[Task] = ()) -> None:
        """``relatives`` are known to be other tasks, however like the items they look: training
        tasks of the same generators."""
        self.tasks = list(tasks)
        others = list(relatives)
        self._prompts: dict[str, int] = {}
        self._solutions: dict[str, int] = {}
        self._renamed: dict[str, int] = {}
        statements = _statements(self.tasks)
        programs: list[Set] = []
        named: list[Set] = []
        self._plain: list[str] = []
        for number, task in enumerate(self.tasks):
            for text in statements[number]:
                self._prompts.setdefault(" ".join(words(text)), number)
            if len(task.reference.strip()) >= MIN_SOLUTION:
                self._solutions.setdefault(_flat(task.reference), number)
            tokens = code_tokens(code_of(task.reference)) if is_program(task) else []
            nameless_tokens = nameless(tokens, renamed(tokens))
            programs.append(code_features(nameless_tokens))
            named.append(name_features(tokens))
            self._plain.append(f" {' '.join(nameless_tokens)} " if tokens else "")
            for code in _programs(task) if tokens else ():
                self._renamed.setdefault(" ".join(renamed(code_tokens(code))), number)
        self._prompts.pop("", None)
        asked = [_request(texts[-1], words(texts[-1])) for texts in statements]
        other_asked = [_request(texts[-1], words(texts[-1])) for texts in _statements(others)]
        self.prompts = Features(
            [each.meaning for each in asked], PROMPTS, (each.meaning for each in other_asked)
        )
        self.topics = Features(
            [each.topics for each in asked], TOPICS, (each.topics for each in other_asked)
        )
        self.solutions = Features(programs, SOLUTIONS, (_program_features(task) for task in others))
        self.names = Features(
            named,
            NAMES,
            (name_features(code_tokens(code_of(t.reference))) for t in others if is_program(t)),
        )
        self._asked = [each.text for each in asked]
        self.meanings = Meanings(self._asked, (each.text for each in other_asked))
        self._anchor(statements)
        self._own_grams()
        self._own_tests()

    def _anchor(self, statements: list[list[str]]) -> None:
        """Each statement under its rarest pair of words: the few that may stand in a text are
        found by its pairs."""
        found = [
            _Statement(
                number,
                f" {' '.join(text_words)} ",
                _marked(text),
                len(text_words) >= LONG_STATEMENT,
            )
            for number, texts in enumerate(statements)
            for text in dict.fromkeys(texts)
            if len(text_words := words(text)) >= MIN_STATEMENT
        ]
        counts = Counter(
            pair for statement in found for pair in set(pairwise(statement.words.split()))
        )
        self._anchors: dict[Hashable, list[_Statement]] = defaultdict(list)
        for statement in found:
            pair = min(pairwise(statement.words.split()), key=lambda pair: (counts[pair], pair))
            if counts[pair] <= max(COMMON, len(self.tasks) // 50):
                self._anchors[pair].append(statement)
        self._anchor_set = frozenset(self._anchors)

    def _own_grams(self) -> None:
        holders: dict[Hashable, list[int]] = defaultdict(list)
        for number, task in enumerate(self.tasks):
            for gram in set(_grams(words(f"{prompt_of(task.messages)}\n{task.reference}"))):
                holders[gram].append(number)
        most = max(COMMON, len(self.tasks) // 100)
        self._grams = {gram: tuple(each) for gram, each in holders.items() if len(each) <= most}
        self._gram_set = frozenset(self._grams)
        self._own = Counter(number for each in self._grams.values() for number in each)

    def _own_tests(self) -> None:
        holders: dict[Hashable, list[int]] = defaultdict(list)
        for number, task in enumerate(self.tasks):
            tests = getattr(task.verifier, "tests", "")
            for gram in set(_test_grams(tests) if isinstance(tests, str) else ()):
                holders[gram].append(number)
        self._test_grams = {
            gram: tuple(each) for gram, each in holders.items() if len(each) <= COMMON
        }
        self._test_set = frozenset(self._test_grams)
        self._own_test = Counter(number for each in self._test_grams.values() for number in each)

    def learn(self, corpus: Iterable[Row | Candidate]) -> None:
        """What many different rows share is a template's wording or code, and not an item's own:
        it weighs little from now on. Equality stays what it is."""
        parts = (self.prompts, self.topics, self.solutions, self.names)
        counts: tuple[Counter[Hashable], ...] = tuple(Counter() for _ in parts)
        known = [frozenset(part.counts) for part in parts]
        rows = 0
        different: set[int] = set()
        for row in corpus:
            text = RowText(row)
            meaning: Set = frozenset().union(*(each.meaning for each in text.requests))
            code: Set = frozenset().union(*map(_plain_features, text.programs))
            called: Set = frozenset().union(*map(name_features, text.programs))
            name = hash((meaning, code))
            if name in different:
                continue
            different.add(name)
            rows += 1
            sets = (meaning, meaning, code, called)
            for count, features, items in zip(counts, sets, known, strict=True):
                count.update(features & items)
        least = max(TEMPLATE_ROWS, TEMPLATE_SHARE * rows)
        for part, count in zip(parts, counts, strict=True):
            common = frozenset(feature for feature, number in count.items() if number >= least)
            if common:
                part.temper(common)

    def find(self, row: Row | Candidate) -> Hit | None:
        """The strongest overlap of a row with an item, if there is one."""
        text = RowText(row)
        number = self._by_statement(text)
        if number is not None:
            return self._hit(row, number, "prompt")
        number = self._solutions.get(_flat(row.completion))
        if number is not None:
            return self._hit(row, number, "solution")
        numbered = [renamed(tokens) for tokens in text.programs]
        plains = [nameless(*pair) for pair in zip(text.programs, numbered, strict=True)]
        for tokens in numbered:
            number = self._renamed.get(" ".join(tokens))
            if number is not None and (
                len(tokens) >= TELLING_TOKENS or not self._about_another(text, number)
            ):
                return self._hit(row, number, "renamed_solution")
        return (
            self._by_tests(row, text)
            or self._by_grams(row, text)
            or self._near_prompt(row, text, plains)
            or self._near_solution(row, text, plains)
        )

    def _by_statement(self, text: RowText) -> int | None:
        for each in text.texts:
            number = self._prompts.get(" ".join(each.words))
            if number is not None:
                return number
        for each in text.texts:
            anchors = self._anchor_set.intersection(pairwise(each.words))
            if not anchors:
                continue
            joined = f" {' '.join(each.words)} "
            marked = ""
            for statement in chain.from_iterable(self._anchors[pair] for pair in sorted(anchors)):  # type: ignore[type-var]  # pairs of words
                if statement.words not in joined:
                    continue
                marked = marked or _marked(each.content)
                if statement.long or statement.marked in marked:
                    return statement.number
        return None

    def _by_tests(self, row: Row | Candidate, text: RowText) -> Hit | None:
        grams: set[Hashable] = set()
        for each in text.texts:
            if _TEST_SIGN.search(each.content):
                grams |= self._test_set.intersection(_test_grams(each.content))
        counts = Counter(chain.from_iterable(map(self._test_grams.__getitem__, grams)))
        shares = [
            (count / self._own_test[n], -n)
            for n, count in counts.items()
            if self._own_test[n] >= MIN_TEST_GRAMS
        ]
        share, number = max(shares, default=(0.0, 0))
        return self._hit(row, -number, "tests", share) if share >= MIN_SHARE else None

    def _by_grams(self, row: Row | Candidate, text: RowText) -> Hit | None:
        grams: set[Hashable] = set()
        before: list[str] = []
        for each in text.texts:
            # Across turns as well: the end of what was asked and the beginning of the answer.
            grams |= self._gram_set.intersection(_grams([*before[1 - NGRAM :], *each.words]))
            before = each.words
        counts = Counter(chain.from_iterable(map(self._grams.__getitem__, grams)))
        shares = [
            (count / self._own[n], -n) for n, count in counts.items() if self._own[n] >= MIN_GRAMS
        ]
        share, number = max(shares, default=(0.0, 0))
        if share < MIN_SHARE or (share < SURE_PROMPT and self._about_another(text, -number)):
            return None
        return self._hit(row, -number, "ngrams", share)

    def _near_prompt(
        self, row: Row | Candidate, text: RowText, plains: list[list[str]]
    ) -> Hit | None:
        best: tuple[float, int] | None = None
        for request in text.requests:
            close = [
                (n, score)
                for n, score in (() if request.foreign else self.prompts.nearest(request.meaning))
                if score >= self.prompts.thresholds[n]
            ]
            if not close and (request.foreign or not text.answer):
                close = self._by_topics(request)
            for number, score in close:
                if best and score <= best[0]:
                    continue
                if len(self.topics.sets[number]) < MIN_CONCEPTS and score < FEW_PROMPT:
                    continue
                # A row that answers with a program, and an item that is no program, are about
                # just these words; a translation has others.
                strict = self._plain[number] == "" or bool(text.answer and not request.foreign)
                if self._conflicts(request, number, strict=strict):
                    continue
                another = (
                    bool(text.answer)
                    and self._plain[number] != ""
                    and self._code_overlap(number, text, plains) < BORNE_OUT
                )
                if score >= SURE_PROMPT or not another:
                    best = (score, number)
        if best is None and not text.answer:
            best = max(filter(None, map(self._by_meaning, text.requests)), default=None)
        return self._hit(row, best[1], "near_prompt", best[0]) if best else None

    def _by_topics(self, request: _Request) -> list[tuple[int, float]]:
        """The item that a request is about in another language or other words: concepts without
        their order, and no other item as near."""
        if len(request.topics) > MAX_TOPICS:
            return []
        ranked = self.topics.ranked(request.topics)
        if not ranked:
            return []
        number, score = ranked[0]
        item = self.topics.sets[number]
        shared = len(item & request.topics)
        rivals = [
            other_score
            for other, other_score in ranked[1:]
            if self.topics.overlap(number, self.topics.sets[other]) < SAME_ITEM
        ]
        if (
            score < self.topics.thresholds[number]
            or shared < (MIN_CONCEPTS - 1 if request.foreign else MIN_CONCEPTS)
            or (rivals and score - rivals[0] < LEAD)
        ):
            return []
        return [(number, score)]

    def _by_meaning(self, request: _Request) -> tuple[float, int] | None:
        """The item whose meaning a request has, and no other item nearly so: by vectors and shared
        concepts together, which err in different ways."""
        # What only a template's words are is found by equality alone, and what is no program is
        # about just its words.
        own = [
            number
            for number, bar in enumerate(self.topics.thresholds)
            if bar <= 1 and self.tasks[number].verifier.category == "executable_code"
        ]
        if not own or not self.meanings.usable:
            return None
        if not MIN_MEANT <= len(request.topics) <= MAX_TOPICS:
            return None
        shared = self.topics.shared(request.topics)
        if not request.foreign and max(shared.get(number, 0.0) for number in own) < MIN_SHARED:
            return None
        scores = self.meanings.similarities(request.text).tolist()
        for number, share in shared.items():
            scores[number] += AGREEMENT * share
        # Rounded: sums differ in their last digits by the machine.
        best = max(own, key=lambda number: (round(scores[number], 4), -number))
        score = round(scores[best], 4)
        if score < MEANT:
            return None
        same = self.meanings.between(best)
        rivals = [
            rival
            for number, rival in enumerate(scores)
            if number != best and same[number] < ONE_MEANING
        ]
        if rivals and score - max(rivals) < MEANT_LEAD:
            return None
        if self._conflicts(request, best, strict=False):
            return None
        replaces = self._replaces(request, best)
        if replaces is None:
            replaces = not self._leads_among_alike(best, request, rivals=same < ONE_MEANING)
        return None if replaces else (min(score, 1.0), best)

    def _leads_among_alike(self, number: int, request: _Request, rivals: np.ndarray) -> bool:
        """Whether a request is nearest to an item of a template by what is the item's own, too; of
        an item without a template it is not asked."""
        similarities = self.meanings.among_alike(number, request.text)
        if similarities is None:
            return True
        # Rounded: sums differ in their last digits by the machine.
        score = round(float(similarities[number]), 4)
        if score < MEANT_AMONG_ALIKE:
            return False
        nearest = float(similarities[rivals].max(initial=-1.0))
        return round(score - nearest, 4) >= MEANT_LEAD_AMONG_ALIKE

    def _replaces(self, request: _Request, number: int) -> bool | None:
        """Whether a request in an item's words says something else instead of some of them, as the
        rows of a template do: it is no rewording then. None: it is in other words."""
        # As much as their vectors are of: aligning takes the square of the length.
        asked = words(request.text[:MAX_CHARACTERS])
        expected = words(self._asked[number][:MAX_CHARACTERS])
        matcher = SequenceMatcher(None, expected, asked, autojunk=False)
        shared = sum(block.size for block in matcher.get_matching_blocks())
        if shared < ITS_WORDS * len(expected):
            return None
        item = self.topics.sets[number]
        if item - request.topics - GENERIC and (
            (request.topics - item - GENERIC) & self.topics.counts.keys()
        ):
            return True
        # In the same place, also what stands elsewhere in the other, and what no item says.
        for tag, start, end, other_start, other_end in matcher.get_opcodes():
            lost = set(concepts(expected[start:end])) - GENERIC
            instead = set(concepts(asked[other_start:other_end])) - GENERIC
            if tag == "replace" and lost - instead and instead - lost:
                return True
        return False

    def _conflicts(self, request: _Request, number: int, *, strict: bool = True) -> bool:
        """Whether a request says something else where the item says its own: ``odd`` for ``even``.

        ``strict``: the opposite does not have to be a known one; every concept that other items
        have is another. A word that no item has may be a synonym.
        """
        item = self.topics.sets[number]
        extra = request.topics - item
        missing = item - request.topics
        if any(group & extra and group & missing for group in OPPOSITES):
            return True
        # No number is a synonym of another.
        if any(map(_is_number, extra)) and any(map(_is_number, missing)):
            return True
        # From miles to feet is not from feet to miles.
        if "=convert" in item & request.topics and _turned(self._asked[number], request.text):
            return True
        if not strict:
            return False
        others = [name for name in extra if name in self.topics.counts and name not in GENERIC]
        lost = len(missing - GENERIC)
        return lost > 0 and min(len(others), lost) >= CONFLICT * len(item)

    def _near_solution(
        self, row: Row | Candidate, text: RowText, plains: list[list[str]]
    ) -> Hit | None:
        best: tuple[float, int, Kind] | None = None
        informative = any(request.informative for request in text.requests)
        for tokens, nameless_tokens in zip(text.programs, plains, strict=True):
            joined = f" {' '.join(nameless_tokens)} "
            near = [(self.solutions, self.solutions.nearest(code_features(nameless_tokens)))]
            if not informative:
                # Names are common one by one: all items that share any are looked at.
                near.append((self.names, iter(self.names.ranked(name_features(tokens)))))
            for part, overlaps in near:
                for number, score in overlaps:
                    whole = part is self.solutions and self._plain[number] in joined
                    if whole:
                        score = 1.0
                    elif score < part.thresholds[number] or (informative and score < TOLD_SOLUTION):
                        continue
                    if best and score <= best[0]:
                        continue
                    telling = whole and self._plain[number].count(" ") > TELLING_TOKENS
                    sure = not whole and score >= SURE_SOLUTION
                    if telling or sure or not self._about_another(text, number):
                        best = (score, number, "renamed_solution" if whole else "near_solution")
        return self._hit(row, best[1], best[2], best[0]) if best else None

    def _about_another(self, text: RowText, number: int) -> bool:
        """Whether item and row both say what they are about, and it is not the same."""
        if len(self.topics.sets[number]) < MIN_CONCEPTS:
            return False
        informative = False
        nearest: tuple[float, _Request] | None = None
        for request in text.requests:
            score = self.prompts.overlap(number, request.meaning)
            if nearest is None or score > nearest[0]:
                nearest = (score, request)
            informative = informative or request.informative
        if nearest is not None and nearest[0] >= AGREES / 2:
            return self._conflicts(nearest[1], number)
        return informative

    def _code_overlap(self, number: int, text: RowText, plains: list[list[str]]) -> float:
        shape = max(
            (self.solutions.overlap(number, code_features(each)) for each in plains), default=0.0
        )
        called = max(
            (self.names.overlap(number, name_features(each)) for each in text.programs), default=0.0
        )
        return max(shape, called)

    def _hit(self, row: Row | Candidate, number: int, kind: Kind, score: float = 1.0) -> Hit:
        task = self.tasks[number]
        return Hit(row.id, task.id, task.suite, kind, round(min(score, 1.0), 4))


def _is_number(name: Hashable) -> bool:
    return isinstance(name, str) and name.isdecimal()


def _turned(item: str, request: str) -> bool:
    """Whether what an item converts from is what a request converts to."""
    names = Counter(concepts(words(item)))
    others = list(dict.fromkeys(concepts(words(request))))
    # What the item says twice, as ``date`` of both its ends, tells nothing.
    both = [
        name
        for name, count in names.items()
        if count == 1 and name in others and name not in GENERIC and name != "=convert"
    ]
    return len(both) > 1 and others.index(both[0]) > others.index(both[-1])


def prompt_features(prompt_words: list[str]) -> Set:
    """Words and pairs of words."""
    return frozenset(prompt_words).union(pairwise(prompt_words))


def code_features(plain_tokens: list[str]) -> Set:
    """Three and five tokens in a row, whoever's names they hold; round brackets are often only
    layout."""
    bare = [token for token in plain_tokens if token not in ("(", ")", ";")]
    return frozenset(zip(bare, bare[1:], bare[2:])).union(
        zip(bare, bare[1:], bare[2:], bare[3:], bare[4:])
    )


def name_features(tokens: list[str]) -> Set:
    """The words of a program, in no order: what stays when loops are written otherwise."""
    return frozenset(
        token.casefold()
        for token in tokens
        if token[0].isalnum() or (token[0] in '_"' and len(token) > 1)
    )


def _plain_features(tokens: list[str]) -> Set:
    return code_features(nameless(tokens, renamed(tokens)))


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
    return _plain_features(code_tokens(code_of(completion)))


def _program_features(task: Task) -> Set:
    return answer_features(task.reference) if is_program(task) else frozenset()


def _programs(task: Task) -> list[str]:
    """The reference as it stands, and as a whole program where it continues what the prompt
    begins."""
    prefix = getattr(task.verifier, "prefix", "")
    return (
        [code_of(task.reference), prefix + task.reference] if prefix else [code_of(task.reference)]
    )


_DOCSTRING = re.compile(r'"""([\s\S]*?)"""|\'\'\'([\s\S]*?)\'\'\'')
_COMMENT = re.compile(r"(?:^[ \t]*(?://|#)[^\n]*\n)+", re.MULTILINE)
_EXAMPLES = re.compile(
    r">>>|\b(?:for )?examples?\b|\bconstraints?\b|\be\.g\b|==|=>|➞", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.!?;:。！？；：]+(?=\s|$|[^\x00-\x7f])|\n+")


def _statements(tasks: Sequence[Task]) -> list[list[str]]:
    """For each task the texts that it is recognised by: the prompt as it is asked here, what it
    begins, the prompt as it is distributed (less the sentences that frame all of a suite), and
    last what it asks in words (the docstring of what it begins, without its examples)."""
    prompts = [prompt_of(task.messages) for task in tasks]
    shapes = [
        [_shape(part, task) for part in _sentences(text)] for text, task in zip(prompts, tasks)
    ]
    counts: Counter[tuple[str, str]] = Counter()
    sizes = Counter(task.suite for task in tasks)
    for task, each in zip(tasks, shapes, strict=True):
        counts.update({(task.suite, shape) for shape in each})
    statements: list[list[str]] = []
    for task, prompt, each in zip(tasks, prompts, shapes, strict=True):
        least = max(COMMON + 1, FRAMING * sizes[task.suite])
        own = [
            part
            for part, shape in zip(_sentences(prompt), each, strict=True)
            if counts[task.suite, shape] < least
        ]
        texts = [prompt]
        prefix = getattr(task.verifier, "prefix", "")
        if prefix:
            texts.append(prefix)
        if own and len(own) < len(each):
            texts.append(". ".join(own))
        if prefix:
            described = _described(prefix)
            texts.append(described if len(words(described)) >= MIN_CONCEPTS else prefix)
        statements.append(texts)
    return statements


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def _shape(sentence: str, task: Task) -> str:
    """A sentence with the name of the item's function and its numbers taken out."""
    name = (getattr(task.verifier, "entry_point", None) or "").casefold()
    return " ".join(
        "0" if word.isdigit() else "_" if word == name else word for word in words(sentence)
    )


def _described(stub: str) -> str:
    """What a stub's docstring, or the comment before it, asks for, up to its examples."""
    blocks = [first or second for first, second in _DOCSTRING.findall(stub)]
    blocks = blocks or [
        re.sub(r"(?m)^[ \t]*(?://|#)", "", match[0]) for match in _COMMENT.finditer(stub)
    ]
    if not blocks:
        return ""
    return _EXAMPLES.split(max(blocks, key=len))[0]


def _marked(text: str) -> str:
    """A text's words with a mark where a sentence ends, so that a statement within it can be told
    from the beginning of a longer one."""
    return "".join(f" {' '.join(words(part))} |" for part in _sentences(text))


_TEST_SIGN = re.compile(r"\bassert|>>>|\bexpect\(|[dD]eepEqual")
_TEST_TOKEN = re.compile(r"[^\W\d]\w*(?=(\s*\()?)|\d[\w.]*|[^\s\w\"'`\\]")


def _test_grams(tests: str) -> Iterator[tuple[str, ...]]:
    """Tokens of tests in a row, whatever the tested function is called, quotes apart: tests are
    also handed on as lists of strings."""
    tokens = [
        "v" if match[1] is not None else match[0] for match in _TEST_TOKEN.finditer(plain(tests))
    ]
    return zip(*(tokens[start:] for start in range(TEST_GRAM)))


def _grams(prompt_words: list[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(prompt_words[start:] for start in range(NGRAM)))


def _flat(text: str) -> str:
    return " ".join(text.split())
