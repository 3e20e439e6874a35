"""A server of a small CIFAR-10 that tests download from, and that breaks off when it is told to."""

import hashlib
import http.server
import io
import pickle
import tarfile
import threading
from contextlib import contextmanager

import numpy as np


def datasets():
    """torchvision's, which take two seconds to import: whoever runs other tests shall not wait for that."""
    import torchvision.datasets

    return torchvision.datasets


class Server:
    """What is served, how much of it until the connection breaks, and what was asked for."""

    def __init__(self):
        self.content, self.breaks_after, self.ranges = b"", None, []


@contextmanager
def serving(monkeypatch):
    """A `Server` of a small CIFAR-10, where torchvision says that the real one is."""
    said = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            asked = self.headers.get("Range")
            said.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if start >= len(said.content):
                self.send_error(416)
                return
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(said.content) - start))
            self.end_headers()
            self.wfile.write(said.content[start : said.breaks_after])

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        said.content = small_cifar(f"http://127.0.0.1:{server.server_port}/", monkeypatch)
        yield said
        server.shutdown()
        thread.join()


def small_cifar(address, monkeypatch):
    """A CIFAR-10 archive of 5 x 4 + 4 plain images, where torchvision says that the real one is; its bytes."""
    kind = datasets().CIFAR10

    def batch(level):
        return {"data": np.full((4, 3072), level, dtype=np.uint8), "labels": [0, 1, 2, 3]}

    files = {f"data_batch_{i}": batch(i) for i in range(1, 6)} | {"test_batch": batch(9)}
    files["batches.meta"] = {"label_names": [f"class {i}" for i in range(10)]}
    packed = {name: pickle.dumps(content) for name, content in files.items()}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in packed.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

    def md5(content):
        return hashlib.md5(content).hexdigest()

    monkeypatch.setattr(kind, "url", address + "small.tar.gz")
    monkeypatch.setattr(kind, "tgz_md5", md5(out.getvalue()))
    monkeypatch.setattr(kind, "train_list", [[n, md5(packed[n])] for n in sorted(packed) if n.startswith("data")])
    monkeypatch.setattr(kind, "test_list", [["test_batch", md5(packed["test_batch"])]])
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(packed["batches.meta"])})
    return out.getvalue()
