"""Where artifacts live: the only room that knows paths, opens DuckDB or the state databases."""

from .artifacts import Artifact, Draft, Store
from .files import atomic_write, read_jsonl, sha256_file, write_json, write_jsonl
from .home import Home, find_home
from .ledger import Ledger
from .manifest import FileEntry, Manifest, Parent
from .outbox import Outbox
from .skipped import skip, skipped_reason
from .tables import read_parquet, write_parquet

__all__ = [
    "Artifact",
    "Draft",
    "FileEntry",
    "Home",
    "Ledger",
    "Manifest",
    "Outbox",
    "Parent",
    "Store",
    "atomic_write",
    "find_home",
    "read_jsonl",
    "read_parquet",
    "sha256_file",
    "skip",
    "skipped_reason",
    "write_json",
    "write_jsonl",
    "write_parquet",
]
