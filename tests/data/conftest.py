"""Fixtures of the data tests: no data folder of this machine, and a server to download from."""

import functools
import hashlib
import http.server
import threading

import keras
import pytest

from graphkit.data import sources


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("GRAPHKIT_DATA", raising=False)


class FileHandler(http.server.BaseHTTPRequestHandler):
    """Serves the server's `files`; a pair (content, length) states another length than it sends."""

    def do_GET(self):
        name = self.path.lstrip("/")
        self.server.asked.append(name)
        if name not in self.server.files:
            return self.send_error(404)
        content = self.server.files[name]
        content, length = content if isinstance(content, tuple) else (content, len(content))
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.HTTPServer(("127.0.0.1", 0), FileHandler) as server:
        server.files, server.asked = {}, []
        server.origin = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty Keras cache, and no data in any local folder nor a proxy between."""
    folder = tmp_path / "keras-cache"
    folder.mkdir()
    monkeypatch.setattr(keras.utils, "get_file", functools.partial(keras.utils.get_file, cache_dir=folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name, source in sources.SOURCES.items():
        monkeypatch.setitem(sources.SOURCES, name, source._replace(folders=(f"{name}-of-this-test",)))
    return folder


@pytest.fixture
def publish(server, cache, monkeypatch):
    """Returns a function that serves the archives of a data set; `served` replaces what is sent."""

    def publish(name, contents, served=None, digest=hashlib.sha256, origin=server.origin):
        server.files.update(contents | (served or {}))
        archives = tuple(
            sources.Archive(origin + file, digest(content).hexdigest()) for file, content in contents.items()
        )
        source = sources.SOURCES[name]._replace(archives=archives)
        monkeypatch.setitem(sources.SOURCES, name, source)

    return publish
