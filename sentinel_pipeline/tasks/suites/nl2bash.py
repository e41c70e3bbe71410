"""InterCode's NL2Bash file: a request and a gold command over a file tree; commands are judged by
output and effect.

The benchmark's tree is made by a script of its own container; the tree here is ours, made so that
the commands have something to find, and it stands in ``testbed`` under the working folder instead
of ``/testbed``. What the gold command prints and leaves in the sandbox is what is expected.
Requests about the machine and not the tree (its host name, processes, logs, programs, the age of
files) cannot be tested so and are left out: 46 of the published 60 remain. A row may bring
``files`` of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import BadInput
from ...records import Message, ShellEffect, Task
from .rows import SuiteRow, read_rows

FILE = "intercode/nl2bash_fs_1.json"
ASK = "The current folder holds a folder named testbed. Answer with one bash command and nothing else.\n\n{query}"
_ROOT = re.compile(r"(?<![\w.])/testbed")
_ELSEWHERE = re.compile(
    r"hostname|pstree|\bwhich\b|/etc/|/var/|/backup|\$\{?[A-Z]{2,}|-[mac]time|compress|\bgzip\b|\btar\b|\bln\b|-perm"
)
"""What a gold command asks of the machine: identities, processes, system files, variables, ages,
block sizes, links, archives."""


def _lines(*words: str) -> str:
    return "".join(f"{word}\n" for word in words)


_MAIN = "public class {name} {{\n    public static void main(String[] args) {{\n{body}    }}\n}}\n"
TREE = {
    "testbed/Hello.java": _MAIN.format(name="Hello", body='        System.out.println("Hello");\n'),
    "testbed/Copy.java": _MAIN.format(name="Hello", body='        System.out.println("Hello");\n'),
    "testbed/Sum.java": _MAIN.format(name="Sum", body="        int sum = 1 + 2;\n\n"),
    "testbed/index.html": "<html>\n<body>foo</body>\n</html>\n",
    "testbed/page.html": "<html>\n<body>bar</body>\n</html>\n",
    "testbed/main.c": '#include <stdio.h>\n\nint main(void) {\n    puts("Hello world");\n    return 0;\n}\n',
    "testbed/hello.php": '<?php\n\necho "Hello world";\n',
    "testbed/textfile7.txt": "A line of sixteen and some more characters\nend\n",
    "testbed/banana.txt": _lines("apple", "banana", "cherry"),
    "testbed/foo12": _lines("one", "two", "three"),
    "testbed/empty.txt": "",
    "testbed/dir1/list.php": "<?php\n$items = [1, 2, 3];\n\nforeach ($items as $item) {\n    echo $item;\n}\n// World\n",
    "testbed/dir1/app.js": "const total = 3;\nconsole.log(total);\n",
    "testbed/dir1/FooBar.txt": _lines("foo", "bar"),
    "testbed/dir1/subdir1/first.py": "print(1)\n",
    "testbed/dir1/subdir1/second.py": "import sys\n\nprint(sys.argv)\n",
    "testbed/dir1/subdir1/textfile4.txt": _lines("Gene id", "abc 1", "def 2", "ghi 3"),
    "testbed/dir1/subdir1/jobs/job.history": _lines("step 1 OK", "step 2 FAIL"),
    "testbed/dir2/job.history": _lines("step 1 OK", "step 2 OK"),
    "testbed/dir2/hello.java": "class Hello {}\n",
    "testbed/dir2/subdir1/textfile2.txt": _lines("alpha", "beta", "gamma"),
    "testbed/dir2/subdir1/tool.php": "<?php\nfunction tool() { return 1; }\n",
    "testbed/dir2/subdir2/textfile5.txt": _lines("Gene name", "abc x", "ghi z"),
    "testbed/dir2/subdir2/data.csv": _lines("a,b", "1,2", "3,4"),
    "testbed/dir2/FooBar/file.txt": _lines("found here"),
    "testbed/dir3/subdir1/subsubdir1/textfile3.txt": _lines("beta", "delta"),
    "testbed/dir3/subdir1/subsubdir1/tmp/": "",
    "testbed/dir3/foo34": _lines("four", "five"),
    "testbed/dir3/notes.txt": " ".join(f"word{number}" for number in range(240)) + "\n",
    "testbed/dir3/big.txt": " ".join(f"w{number}" for number in range(2400)) + "\n",
}


def tasks(path: Path) -> Iterator[Task]:
    """The tasks of a file (a JSON array as published, or a row a line) that can be judged here; ids
    count the file's rows from 0.

    Raises:
        BadInput: no JSON, or a row without query or gold.
    """
    for number, row in enumerate(_rows(path)):
        query = row.text("query")
        gold = row.text("gold")
        if not _ELSEWHERE.search(gold):
            yield _task(
                number, _ROOT.sub("testbed", query), _ROOT.sub("testbed", gold), _files(row)
            )


def _rows(path: Path) -> Iterator[SuiteRow]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows: Any = json.loads(text) if text.lstrip().startswith("[") else None
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror or error}.", file=path) from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"invalid JSON: {error}.", file=path) from error
    if rows is None:
        yield from read_rows(path)
        return
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise BadInput(
                f"row {number}: expected an object, got {type(row).__name__}.", file=path
            )
        yield SuiteRow(row, path, number)


def _files(row: SuiteRow) -> dict[str, str]:
    files = row.fields.get("files", TREE)
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
        raise row.bad("files", "expected an object of path and text.")
    return files


def _task(number: int, query: str, gold: str, files: dict[str, str]) -> Task:
    return Task(
        id=f"nl2bash/{number}",
        suite="nl2bash",
        category="devops",
        family="nl2bash",
        messages=(Message("user", ASK.format(query=query)),),
        verifier=ShellEffect(files=files, gold=gold),
        reference=gold,
    )
