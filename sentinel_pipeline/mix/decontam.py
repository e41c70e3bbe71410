"""Rows that overlap an item of a benchmark suite: by its prompt, or by its solution under whatever names.

Three kinds of evidence, the strongest first: the same prompt or solution up to layout and case; the same solution with renamed
identifiers; most of an item's *own* word n-grams. N-grams that many items share are the suite's wording, not its content, and
do not count. What this module does not do: find paraphrases, translate, or take rows out (the mix leaves out what is hit).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from ..critic.extract import extract
from ..records import Candidate, PythonTests, Row, Task
from .normal import code_form, prompt_of, words

NGRAM = 8
"""Words."""
MIN_GRAMS = 12
"""An item with fewer n-grams of its own is compared by whole prompt and solution only."""
MIN_SHARE = 0.5
"""Of an item's own n-grams, how many a row must hold."""
MIN_SOLUTION = 60
"""Characters from which an equal solution alone is evidence; short commands and answers recur by nature."""
COMMON = 3
"""An n-gram that more items than this hold (or 1 % of them) is wording."""

Kind = Literal["prompt", "solution", "renamed_solution", "ngrams"]


class Hit(NamedTuple):
    """Row ``id`` overlaps item ``task_id`` of ``suite``; ``score`` is 1 for equality, else the share of n-grams."""

    id: str
    task_id: str
    suite: str
    kind: Kind
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DecontaminationReport:
    """``rows`` were compared with ``tasks`` items; at most one hit a row, the strongest."""

    rows: int
    tasks: int
    hits: tuple[Hit, ...]

    def to_json(self) -> dict[str, Any]:
        by_kind = dict(sorted(Counter(hit.kind for hit in self.hits).items()))
        return asdict(self) | {"hits": [hit._asdict() for hit in self.hits], "by_kind": by_kind}

    def to_markdown(self) -> str:
        lines = [f"{len(self.hits)} of {self.rows} rows overlap one of {self.tasks} benchmark items.", ""]
        if self.hits:
            lines += ["| row | item | suite | kind | score |", "|---|---|---|---|---|"]
            lines += [f"| {h.id} | {h.task_id} | {h.suite} | {h.kind} | {h.score:.2f} |" for h in self.hits[:50]]
        return "\n".join(lines)


def decontaminate(rows: Iterable[Row | Candidate], tasks: Iterable[Task]) -> DecontaminationReport:
    """Compare ``rows`` (streamed) with every item of ``tasks`` (held)."""
    index = SuiteIndex(tasks)
    hits: list[Hit] = []
    count = 0
    for row in rows:
        count += 1
        hit = index.find(row)
        if hit is not None:
            hits.append(hit)
    return DecontaminationReport(rows=count, tasks=len(index.tasks), hits=tuple(hits))


class SuiteIndex:
    """What the suites' items look like, ready to be asked about a row."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.tasks = list(tasks)
        self._prompts: dict[str, int] = {}
        self._solutions: dict[str, int] = {}
        self._renamed: dict[str, int] = {}
        grams: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, task in enumerate(self.tasks):
            self._prompts.setdefault(" ".join(words(prompt_of(task.messages))), number)
            self._add_solution(task, number)
            for gram in set(_grams(f"{prompt_of(task.messages)}\n{task.reference}")):
                grams[gram].append(number)
        most = max(COMMON, len(self.tasks) // 100)
        self._grams = {gram: tuple(holders) for gram, holders in grams.items() if len(holders) <= most}
        self._own = Counter(number for holders in self._grams.values() for number in holders)

    def _add_solution(self, task: Task, number: int) -> None:
        if len(task.reference.strip()) < MIN_SOLUTION:
            return
        self._solutions.setdefault(_flat(task.reference), number)
        if isinstance(task.verifier, PythonTests):
            form = code_form(task.verifier.prefix + task.reference, rename=True)
            if form is not None:
                self._renamed.setdefault(form, number)

    def find(self, row: Row | Candidate) -> Hit | None:
        """The strongest overlap of a row with an item, if there is one."""
        prompt = prompt_of(row.messages)
        number = self._prompts.get(" ".join(words(prompt)))
        if number is not None:
            return self._hit(row, number, "prompt")
        number = self._solutions.get(_flat(row.completion))
        if number is not None:
            return self._hit(row, number, "solution")
        number = self._renamed_solution(row)
        if number is not None:
            return self._hit(row, number, "renamed_solution")
        return self._by_grams(row, prompt)

    def _renamed_solution(self, row: Row | Candidate) -> int | None:
        """Whole programs, and completions that continue code which the prompt holds."""
        if not self._renamed or ("def " not in row.completion and "return" not in row.completion):
            return None
        code = extract(row.completion, "python").value
        form = code_form(code, rename=True) if code else None
        return self._renamed.get(form) if form is not None else None

    def _by_grams(self, row: Row | Candidate, prompt: str) -> Hit | None:
        found: Counter[int] = Counter()
        for gram in set(_grams(f"{prompt}\n{row.completion}")):
            found.update(self._grams.get(gram, ()))
        best = max(found.items(), key=lambda item: (item[1] / self._own[item[0]], -item[0]), default=None)
        if best is None or self._own[best[0]] < MIN_GRAMS:
            best = next(((n, c) for n, c in found.most_common() if self._own[n] >= MIN_GRAMS), None)
        if best is None:
            return None
        share = best[1] / self._own[best[0]]
        return self._hit(row, best[0], "ngrams", share) if share >= MIN_SHARE else None

    def _hit(self, row: Row | Candidate, number: int, kind: Kind, score: float = 1.0) -> Hit:
        task = self.tasks[number]
        return Hit(row.id, task.id, task.suite, kind, round(score, 4))


def _grams(text: str) -> Iterator[tuple[str, ...]]:
    parts = words(text)
    return zip(*(parts[start:] for start in range(NGRAM)))


def _flat(text: str) -> str:
    return " ".join(text.split())
