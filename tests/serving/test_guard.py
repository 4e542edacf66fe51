"""Who may ask: the page itself from this machine, and nobody under another name or from another origin."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from sphere_repro.serving.listening import is_loopback, names_of

HOME = "127.0.0.1:8000"


@pytest.mark.parametrize("host", [HOME, "localhost:9000", "LOCALHOST", "[::1]:8000", "192.168.1.7:8000"])
def test_the_page_is_served_under_our_names(host: str, client: FlaskClient) -> None:
    response = client.get("/", headers={"Host": host})
    assert response.status_code == 200 and "Play with" in response.text


@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1.example.org", "localhost.example.org:8000", "", "a@127.0.0.1", "[::1",
             "127.0.0.1:port", "127.0.0.1/x"]
)  # fmt: skip
def test_no_other_name_is_ours(host: str, client: FlaskClient) -> None:
    for method, path in (("GET", "/"), ("GET", "/draw"), ("POST", "/edit"), ("GET", "/page.js")):
        assert client.open(path, method=method, headers={"Host": host}).status_code in (400, 403), path


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": f"http://{HOME}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:8001"}, 403),
        ({"Origin": "http://localhost:8000"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/edit?steps=1"), ("GET", "/draw?steps=1&count=1")])
def test_only_the_page_itself_asks(
    method: str, path: str, headers: dict[str, str], status: int, client: FlaskClient
) -> None:
    response = client.open(path, method=method, headers={"Host": HOME, **headers})
    assert response.status_code == status
    assert "error" not in response.get_json() or "refused" in response.get_json()["error"]


def test_a_link_elsewhere_may_lead_to_the_page(client: FlaskClient) -> None:
    assert (
        client.get("/?view=edit", headers={"Host": HOME, "Sec-Fetch-Site": "cross-site"}).status_code == 200
    )


@pytest.mark.parametrize("path", ["/", "/page.js", "/draw?steps=1", "/nothing", "/draw?steps=x"])
def test_every_answer_keeps_to_its_own(path: str, client: FlaskClient) -> None:
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert (
        "unsafe" not in headers["Content-Security-Policy"] and "*" not in headers["Content-Security-Policy"]
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/page.html", 404),
        ("GET", "/../answers.py", 404),
        ("GET", "/stage.py", 404),
        ("GET", "/%2e%2e/asked.py", 404),
        ("POST", "/page.js", 404),
        ("PUT", "/draw", 405),
        ("DELETE", "/", 405),
    ],
)
def test_nothing_else_is_served(method: str, path: str, status: int, client: FlaskClient) -> None:
    response = client.open(path, method=method)
    assert response.status_code == status and set(response.get_json()) == {"error"}


def test_who_can_reach_an_address() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost", "LocalHost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.7", "example.org")))
    assert names_of("127.0.0.1") == {"localhost", "127.0.0.1"} and len(names_of("0.0.0.0")) == 3
