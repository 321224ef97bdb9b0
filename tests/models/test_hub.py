import http.server
import threading
import time

import pytest
from huggingface_hub import constants

from clsim.models import hub


@pytest.fixture
def server():
    class Silent(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(404)
            self.end_headers()

        def log_message(self, *args):
            pass

    served = http.server.HTTPServer(("127.0.0.1", 0), Silent)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}/"
    served.shutdown()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


def test_any_answer_counts(server):
    assert hub.answers(server, 5.0)


def test_a_closed_port_and_silence_do_not():
    started = time.monotonic()
    assert not hub.answers("http://127.0.0.1:9/", 1.0)
    assert not hub.answers("http://192.0.2.1/", 0.2)  # an address that is never assigned
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("reachable", [True, False])
def test_the_hub_is_asked_only_where_it_answers(monkeypatch, reachable):
    monkeypatch.setattr(hub, "answers", lambda url, seconds: reachable)
    before = constants.HF_HUB_OFFLINE
    with hub.cached_if_unreachable():
        assert bool(constants.HF_HUB_OFFLINE) is (before or not reachable)
    assert before == constants.HF_HUB_OFFLINE
