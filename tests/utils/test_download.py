import hashlib
import http.server
import io
import socket
import tarfile
import threading
import time

import pytest

from clsim.utils import download
from clsim.utils.download import connection, fetch_archive, fetch_file, reachable


@pytest.fixture
def no_network():
    """Use this machine as the network."""


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Web server on this machine: the folder it serves, and its address."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=folder)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_reachable(served):
    _, address = served
    assert reachable(f"{address}/file")
    assert not reachable(f"http://127.0.0.1:{closed_port()}/file")
    assert not reachable("http://name.invalid/file")


def test_a_proxy_is_asked_in_place_of_the_host(served, monkeypatch):
    _, address = served
    monkeypatch.setenv("https_proxy", address)
    monkeypatch.setenv("no_proxy", "")
    assert reachable("https://name.invalid/file")


def test_a_look_up_that_hangs_is_given_up(monkeypatch):
    answer = threading.Event()

    def hang(*_):
        answer.wait(5)
        raise OSError

    monkeypatch.setattr(download.socket, "create_connection", hang)
    start = time.monotonic()
    assert not reachable("https://name.invalid", seconds=0.2)
    assert time.monotonic() - start < 2
    answer.set()


def test_sockets_time_out_only_inside(served):
    _, address = served
    before = socket.getdefaulttimeout()
    with connection(address):
        assert socket.getdefaulttimeout() == download.STALL_SECONDS
    assert socket.getdefaulttimeout() == before
    with pytest.raises(ConnectionError), connection(f"http://127.0.0.1:{closed_port()}"):
        pass


def test_a_file_arrives_whole_and_checked_or_not_at_all(served, tmp_path):
    folder, address = served
    (folder / "list.txt").write_bytes(b"1\r\n2\r\n")
    path = tmp_path / "lists" / "list.txt"
    with pytest.raises(OSError, match="sha256"):
        fetch_file(f"{address}/list.txt", path, "0" * 64)
    assert not path.exists()
    fetch_file(f"{address}/list.txt", path, hashlib.sha256(b"1\n2\n").hexdigest())
    assert path.read_bytes() == b"1\n2\n"
    assert list(path.parent.iterdir()) == [path]


def test_an_archive_is_unpacked_whole_and_replaces_what_was_there(served, tmp_path):
    folder, address = served
    with tarfile.open(folder / "birds.tgz", "w:gz") as tar:
        info = tarfile.TarInfo("birds/new.txt")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"new"))
    md5 = hashlib.md5((folder / "birds.tgz").read_bytes()).hexdigest()
    root = tmp_path / "root"
    (root / "birds").mkdir(parents=True)
    (root / "birds" / "old.txt").touch()
    with pytest.raises(OSError, match=r"birds\.tgz"):
        fetch_archive(f"{address}/birds.tgz", "0" * 32, root, "birds")
    assert (root / "birds" / "old.txt").exists()
    fetch_archive(f"{address}/birds.tgz", md5, root, "birds")
    assert [file.name for file in (root / "birds").iterdir()] == ["new.txt"]
    assert sorted(file.name for file in root.iterdir()) == ["birds", "birds.tgz"]
    # The archive is here now: unpacking it again needs no network.
    (folder / "birds.tgz").unlink()
    fetch_archive(f"http://127.0.0.1:{closed_port()}/birds.tgz", md5, root, "birds")
