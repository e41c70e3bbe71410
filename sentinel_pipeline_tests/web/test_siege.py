"""The review server against clients that mean harm: what they cost is bounded, others go on, and
the log stays readable."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.ports import listen, names, proxies, require_seconds, require_share
from sentinel_pipeline.review.importing import import_file
from sentinel_pipeline.web.guard import BODIES, CHEAP, MOST_VALUES, BadBody, object_from
from sentinel_pipeline.web.limits import Busy, LoginLimit, Places, network
from sentinel_pipeline.web.serving import MOST_CONNECTIONS
from sentinel_pipeline_tests.review.material import ADD_ONE, SEED_RECORD, record, write_lines
from sentinel_pipeline_tests.web.attackers import (
    BROKEN,
    broken,
    connect,
    cut_off,
    half_sent,
    idle,
    read_all,
    wrong_keys,
)
from sentinel_pipeline_tests.web.server import Client, Server


class Besieged(Server):
    """With a person whose token is at hand."""

    token: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    folder = tmp_path_factory.mktemp("siege")
    server = Besieged(folder)
    write_lines(folder / "a.tasks.jsonl", [ADD_ONE.to_json()])
    rows = [SEED_RECORD, *(record(n) for n in range(40))]
    import_file(server.desk, write_lines(folder / "a.jsonl", rows), actor="import")
    server.token = server.user("ann", "lead")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def ann(server: Besieged) -> Client:
    return Client(server.address, server.token)


def memory(server: Server) -> int:
    return int(psutil.Process(server.pid).memory_info().rss) >> 20


def test_half_sent_logins_end_in_time_and_cost_no_memory(server: Besieged, ann: Client) -> None:
    before = memory(server)
    began = time.monotonic()
    answers = half_sent(server.port, 100)
    assert time.monotonic() - began < 40
    assert {answer[9:12] for answer in answers} == {b"408"}
    assert memory(server) - before < 20
    assert ann.post("next").status_code == 200
    assert "Traceback" not in server.log()


def test_a_login_has_four_kibibytes_and_is_refused_before_it_is_read(server: Besieged) -> None:
    before = memory(server)
    assert BODIES["/login"] == 4096
    answer = httpx.post(f"{server.address}/login", content=b"token=" + b"x" * 5000)
    assert answer.status_code == 413 and "more than 4096 bytes" in answer.text
    cut_off(server.port, 60)
    assert memory(server) - before < 30
    assert "Traceback" not in server.log()


def test_chunks_without_a_length_are_counted_too(server: Besieged, ann: Client) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 4000

    answer = httpx.post(f"{server.address}/login", content=parts())
    assert answer.status_code == 413
    headers = {"x-csrf-token": ann.csrf}
    answer = ann.http.post("/api/next", content=parts(), headers=headers)
    assert answer.status_code == 413 and f"more than {CHEAP} bytes" in answer.json()["error"]


def test_broken_requests_get_an_answer_or_nothing_and_no_traceback(server: Besieged) -> None:
    for request, answer in zip(BROKEN, broken(server.port), strict=True):
        assert not answer or 200 <= int(answer[9:12]) < 500, (request[:80], answer[:200])
    log = server.log()
    assert "Traceback" not in log and "Exception" not in log


def test_idle_connections_give_way_to_a_person(server: Besieged) -> None:
    sleeping = idle(server.port, MOST_CONNECTIONS + 60)
    try:
        began = time.monotonic()
        person = Client(server.address, server.token)
        assert person.post("next").status_code == 200
        assert time.monotonic() - began < 5
        assert len(psutil.Process(server.pid).net_connections("tcp")) <= MOST_CONNECTIONS + 10
    finally:
        for connection in sleeping:
            connection.close()


def test_a_connection_that_trickles_its_head_is_closed(server: Besieged) -> None:
    with connect(server.port) as connection:
        began = time.monotonic()
        ended = threading.Event()

        def trickle() -> None:
            for (
                byte
            ) in f"GET /login HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\nx: {'y' * 400}".encode():
                try:
                    connection.sendall(bytes([byte]))
                except OSError:
                    break
                time.sleep(0.2)
            ended.set()

        threading.Thread(target=trickle, daemon=True).start()
        assert read_all(connection) == b""
        assert 5 < time.monotonic() - began < 25
        assert ended.wait(5)


def test_wrong_tokens_are_slowed_and_a_right_one_enters_at_once(server: Besieged) -> None:
    statuses = wrong_keys(server.address, 8, api=False)
    assert statuses[:5] == [403] * 5 and set(statuses[5:]) == {429}
    began = time.monotonic()
    assert Client(server.address, server.token).post("next").status_code == 200
    assert time.monotonic() - began < 5
    answer = httpx.post(f"{server.address}/login", data={"token": "z" * 43})
    assert answer.status_code == 429 and 0 < int(answer.headers["retry-after"]) <= 60


def test_a_forwarded_address_of_nobodys_proxy_is_not_believed(server: Besieged) -> None:
    wrong_keys(server.address, 6, api=False)
    for number in range(4):
        headers = {"x-forwarded-for": f"10.1.1.{number}", "x-forwarded-proto": "https"}
        answer = httpx.post(f"{server.address}/login", data={"token": "z" * 43}, headers=headers)
        assert answer.status_code == 429, "counted for the address that it came from"
    data = {"token": server.token}
    cookie = httpx.post(f"{server.address}/login", data=data, headers=headers)
    assert "Secure" not in cookie.headers["set-cookie"]


def test_a_named_proxys_forwarded_addresses_are_counted_apart(tmp_path: Path) -> None:
    server = Server(tmp_path, "--trusted-proxy=127.0.0.1")
    token = server.user("ann")
    server.start()
    try:

        def login(address: str, key: str) -> httpx.Response:
            headers = {"x-forwarded-for": f"6.6.6.6, {address}", "x-forwarded-proto": "https"}
            return httpx.post(f"{server.address}/login", data={"token": key}, headers=headers)

        statuses = [login("10.1.1.1", "z" * 43).status_code for _ in range(7)]
        assert statuses == [403] * 5 + [429] * 2
        assert login("10.1.1.2", "z" * 43).status_code == 403
        right = login("10.1.1.1", token)
        assert right.status_code == 303 and "Secure" in right.headers["set-cookie"]
    finally:
        server.kill()


def test_checks_are_one_a_person_and_the_page_goes_on(server: Besieged, ann: Client) -> None:
    card = ann.post("open", id=SEED_RECORD["id"]).json()["card"]
    others = [Client(server.address, server.user(f"c{number}")) for number in range(3)]
    text = "def f(n):\n    while True:\n        pass\n"

    def check(number: int) -> httpx.Response:
        person = [ann, *others][number % 4]
        return person.post("check", id=card["id"], text=f"{text}# {number}")

    with ThreadPoolExecutor(20) as threads:
        checks = [threads.submit(check, number) for number in range(20)]
        time.sleep(0.3)
        latencies = []
        for _ in range(10):
            began = time.monotonic()
            assert ann.post("next").status_code == 200
            latencies.append(time.monotonic() - began)
        answers = [each.result() for each in checks]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert 4 <= len(answers) - len(refused) <= 10
    for answer in refused:
        assert int(answer.headers["retry-after"]) > 0 and answer.json()["kind"] == "busy"
        assert "check" in answer.json()["error"]
    assert sorted(latencies)[5] < 2, "the queue is not behind the checks"
    assert "Traceback" not in server.log()


def test_an_approval_is_checked_in_the_pool_in_the_same_request(
    server: Besieged, ann: Client
) -> None:
    card = ann.post("open", id="card-000005").json()["card"]
    fields = {"id": card["id"], "version": card["version"], "decision": "approved"}
    answer = ann.post("decide", **fields, text="The number in words is one.")
    assert answer.status_code == 200 and answer.json()["made"]["status"] == "approved"
    ann.post("undo")


def test_no_child_of_the_pool_outlives_the_server(tmp_path: Path) -> None:
    server = Server(tmp_path)
    write_lines(tmp_path / "a.tasks.jsonl", [ADD_ONE.to_json()])
    import_file(server.desk, write_lines(tmp_path / "a.jsonl", [SEED_RECORD]), actor="import")
    person = Client(server.start().address, server.user("ann"))
    assert person.post("check", id=SEED_RECORD["id"], text="nothing").status_code == 200
    children = psutil.Process(server.pid).children(recursive=True)
    assert children
    server.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_many_values_in_a_few_bytes_are_refused_before_they_are_made() -> None:
    with pytest.raises(BadBody, match=f"more than {MOST_VALUES} values") as refused:
        object_from(b'{"a":[' + b"[]," * 200_000 + b"[]]}")
    assert refused.value.status == 413
    code = 'x = [{"a": 1}, (2, 3)] \\ "' * 20_000
    assert object_from(json.dumps({"text": code}).encode())["text"] == code
    began = time.monotonic()
    with pytest.raises(BadBody):
        object_from(b'{"a":"' + b'\\"' * 1_000_000)
    assert time.monotonic() - began < 2, "an unterminated text is read once"


def test_a_name_has_its_share_of_places_and_gives_them_back() -> None:
    places = Places(4, 2, full="full", mine="mine")
    places.take("ann")
    with places.hold("ann"), pytest.raises(Busy, match="mine"):
        places.take("ann")
    for name in ("bob", "cid", "dan"):
        places.take(name)
    with pytest.raises(Busy, match="full"):
        places.take("eve")
    places.give("bob")
    places.take("eve")
    assert places.free == 0


def test_failed_keys_take_a_bounded_amount_of_memory() -> None:
    now = [0.0]
    limit = LoginLimit(5, 60, lambda: now[0], addresses=100)
    for number in range(10_000):
        assert limit.failed(f"10.0.{number // 250}.{number % 250}") == 0
    assert len(limit._failures) == 100  # noqa: SLF001  # its bound is the property
    for _ in range(1000):
        limit.failed("9.9.9.9")
    assert limit.failed("9.9.9.9") == 60 and limit.failed("8.8.8.8") == 0
    now[0] = 61
    assert limit.failed("9.9.9.9") == 0


def test_addresses_of_ipv6_are_counted_by_their_network() -> None:
    assert network("2001:db8::1") == network("2001:db8::ffff:1") != network("2001:db8:0:1::1")
    assert network("fe80::1%eth0") == "fe80::/64"
    assert network("10.0.0.1") == "10.0.0.1" and len(network("x" * 10_000)) == 64


@pytest.mark.parametrize("port", [-1, 0, 65536, 10**9])
def test_a_port_out_of_range_is_bad_input(port: int) -> None:
    with pytest.raises(BadInput, match="out of range"):
        listen("127.0.0.1", port)


@pytest.mark.parametrize(
    "name", ["", "http://x", "a b", "a/b", "x:99999999", "\x1b[31m", "-x", "[/red]"]
)
def test_a_name_that_no_client_sends_is_bad_input(name: str) -> None:
    with pytest.raises(BadInput, match="is not NAME:PORT"):
        names([name], 8080)


def test_names_are_as_clients_send_them() -> None:
    assert names(["Review.lan:8080", "[::1]:1", "x"], 1) == {"review.lan:8080", "[::1]:1", "x"}


@pytest.mark.parametrize("address", ["*", "proxy.lan", "", "10.0.0.0/99", "10.0.0.1/8"])
def test_a_proxy_is_an_address_or_a_network(address: str) -> None:
    with pytest.raises(BadInput, match="neither an address nor a network"):
        proxies([address])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0, 1e300])
def test_odd_numbers_are_bad_input(number: float) -> None:
    with pytest.raises(BadInput, match="--lease-seconds"):
        require_seconds(number)
    with pytest.raises(BadInput, match="--second-share"):
        require_share(number)
