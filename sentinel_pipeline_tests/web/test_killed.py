"""``kill -9`` under load: whatever was acknowledged is there."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from sentinel_pipeline.review.importing import import_file
from sentinel_pipeline.review.schema import cards
from sentinel_pipeline_tests.review.material import record, write_lines
from sentinel_pipeline_tests.web.server import Client, Server

KILLS, PEOPLE, LEAST = 20, 3, 4


@pytest.mark.slow
def test_no_acknowledged_decision_is_lost_in_twenty_kills(tmp_path: Path) -> None:
    server = Server(tmp_path)
    import_file(
        server.desk,
        write_lines(tmp_path / "a.jsonl", [record(n) for n in range(20_000)]),
        actor="import",
    )
    tokens = [server.user(f"u{n}") for n in range(PEOPLE)]
    told: dict[str, str] = {}
    for _ in range(KILLS):
        server.start()
        enough = threading.Semaphore(0)

        def work(token: str, enough: threading.Semaphore = enough) -> None:
            try:
                client = Client(server.address, token)
                while True:
                    card = client.post("next").json()["card"]
                    fields = {"id": card["id"], "version": card["version"], "decision": "discarded"}
                    answer = client.post("decide", **fields)
                    if answer.status_code == 200:
                        assert card["id"] not in told, "a decided card was given out again"
                        told[card["id"]] = answer.json()["made"]["status"]
                        enough.release()
            except httpx.TransportError:
                return

        threads = [threading.Thread(target=work, args=(token,)) for token in tokens]
        for thread in threads:
            thread.start()
        for _ in range(LEAST):
            assert enough.acquire(timeout=120)
        server.kill()
        for thread in threads:
            thread.join(timeout=120)
    with server.desk.db.reading() as connection:
        there = dict(connection.execute(select(cards.c.id, cards.c.status)).tuples().all())
    assert len(told) >= KILLS * LEAST
    assert {name: there[name] for name in told} == told
    assert "Traceback" not in server.log()
