"""The server: who may talk to it, and what it says to everyone else."""

import json

import pytest
from starlette.testclient import TestClient

from experiments.studio import guard
from experiments.studio.app import build
from experiments.studio.events import Events
from mg_jax.interactive.desk import Desk

from ...mg_jax.interactive import stub

TOKEN, PORT = "a-long-secret", 8123
HOME = f"http://127.0.0.1:{PORT}"
JSON = {"content-type": "application/json"}
OURS = {**JSON, guard.TOKEN: TOKEN, "origin": HOME}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    events = Events()
    desk = Desk(tmp_path_factory.mktemp("session"), events.tell, edit=stub.edit)
    app = build(desk, events, TOKEN, ("127.0.0.1", "localhost"), PORT)
    with TestClient(app, base_url=HOME, raise_server_exceptions=False) as client:
        yield client
    desk.close()


def post(client, headers=OURS, body=b'{"type": "state"}'):
    return client.post("/api/message", headers=headers, content=body)


def test_the_page_with_the_token_is_answered(client):
    reply = post(client)
    assert reply.status_code == 200
    assert reply.json()["photo"] is None


@pytest.mark.parametrize("path", ["/", "/studio.js", "/studio.css", "/start.js", "/favicon.ico"])
def test_the_page_is_no_secret_and_has_the_headers(client, path):
    reply = client.get(path)
    assert reply.status_code in (200, 204)
    assert reply.headers["content-security-policy"].startswith("default-src 'self';")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert TOKEN not in reply.text


HOSTILE = [
    ("another host, by DNS rebinding", {**OURS, "host": "evil.example:8123"}, b"{}", 400),
    ("another host that begins alike", {**OURS, "host": "127.0.0.1.evil.example"}, b"{}", 400),
    ("another origin", {**OURS, "origin": "http://evil.example"}, b"{}", 403),
    ("another port of this machine", {**OURS, "origin": "http://127.0.0.1:9999"}, b"{}", 403),
    ("another scheme", {**OURS, "origin": f"https://127.0.0.1:{PORT}"}, b"{}", 403),
    ("a sandboxed frame", {**OURS, "origin": "null"}, b"{}", 403),
    (
        "another site, without an origin",
        {**JSON, guard.TOKEN: TOKEN, "sec-fetch-site": "cross-site"},
        b"{}",
        403,
    ),
    ("no token", {**JSON, "origin": HOME}, b"{}", 401),
    ("a wrong token", {**OURS, guard.TOKEN: TOKEN[:-1]}, b"{}", 401),
    ("an empty token", {**OURS, guard.TOKEN: ""}, b"{}", 401),
    ("a token with other letters", {**OURS, guard.TOKEN: b"\xff\xfe"}, b"{}", 401),
    ("a form", {**OURS, "content-type": "text/plain"}, b"{}", 415),
    (
        "too long a body, as it says",
        {**OURS, "content-length": str(guard.MOST_BYTES + 1)},
        b"{}",
        413,
    ),
    ("a length that is none", {**OURS, "content-length": "-5"}, b"{}", 413),
    ("no JSON", OURS, b"{", 400),
    ("deep JSON", OURS, b"[" * 100_000, 400),
    ("bytes", OURS, b"\xff\xfe\x00", 400),
]


@pytest.mark.parametrize(
    ("headers", "body", "status"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE]
)
def test_hostile_requests_are_refused(client, headers, body, status):
    reply = post(client, headers, body)
    assert reply.status_code == status
    assert TOKEN not in reply.text
    assert "Traceback" not in reply.text


def test_a_body_that_is_longer_than_it_says_is_cut_off(client, monkeypatch):
    monkeypatch.setattr(guard, "MOST_BYTES", 1000)

    def chunks():
        for _ in range(50):
            yield b" " * 100

    assert post(client, OURS, chunks()).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/../setup.cfg",
        "/%2e%2e/setup.cfg",
        "/studio.js/../../../../etc/passwd",
        "/etc/passwd",
        "/session.json",
        "/api",
        "/api/",
        "/docs",
    ],
)
def test_no_other_file_is_served(client, path):
    assert client.get(path, headers=OURS).status_code in (400, 401, 403, 404)


def test_events_need_the_token_and_messages_a_post(client):
    assert client.get("/api/events").status_code == 401
    assert client.get("/api/message", headers=OURS).status_code == 405


@pytest.mark.parametrize("message", [[], 3, "state", None, {"type": "shutdown"}])
def test_messages_at_fault_are_answered_with_a_line(client, message):
    reply = post(client, body=json.dumps(message).encode())
    assert reply.json() == {"error": "message: unknown type"}
