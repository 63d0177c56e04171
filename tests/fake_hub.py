"""A Hugging Face Hub on loopback: as much of its API as uploading a data set takes; files are kept in memory."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_the-only-one-that-may-write"


class FakeHub:
    """Data sets by name: their files, and whether they are private."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.commits = 0
        self.large: dict[str, bytes] = {}
        self.url = ""

    @property
    def sha(self) -> str:
        return f"{self.commits:040x}"

    @contextmanager
    def serving(self) -> Iterator[FakeHub]:
        handler = type("Handler", (_Handler,), {"hub": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, {"error": "Invalid credentials in Authorization header"})
        elif self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            self._send(200, {"warnings": [], "errors": []})
        elif found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/(preupload|commit|paths-info)/main.*", self.path):
            repo, action = found.groups()
            {"preupload": self._preupload, "commit": self._commit, "paths-info": self._paths}[action](repo, body)
        elif self.path.endswith(".git/info/lfs/objects/batch"):
            self._batch(json.loads(body))
        else:
            self._send(404, {"error": f"no such address: {self.path}"})

    def do_PUT(self) -> None:
        self.hub.large[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
        self._send(200, {})

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/tree/\w+(?:/(.*))?", path):
            self._tree(*found.groups(""), recursive="recursive=true" in self.path.lower())
        elif found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/revision/\w+)?", path):
            self._info(found[1])
        elif found := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/\w+/(.*)", path):
            self._file(self.hub.files.get(found[1], {}).get(found[2]))
        else:
            self._send(404, {"error": f"no such address: {self.path}"})

    do_HEAD = do_GET  # noqa: N815

    def _create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        if wanted["organization"] != "me":
            self._send(403, {"error": "You don't have the rights to create a dataset under this namespace"})
            return
        self.hub.files.setdefault(name, {})
        self.hub.private.setdefault(name, wanted.get("visibility") == "private")
        self._send(200, {"url": f"{self.hub.url}/datasets/{name}", "name": name, "id": name})

    def _tree(self, repo: str, folder: str, recursive: bool) -> None:
        files = self._below(repo, folder)
        entries = [self._entry(name, data) for name, data in files]
        start = len(folder) + 1 if folder else 0
        if not recursive:
            entries = [entry for entry in entries if "/" not in entry["path"][start:]]
            inner = {name[:start] + name[start:].partition("/")[0] for name, _ in files if "/" in name[start:]}
            entries += [{"type": "directory", "path": name, "oid": self.hub.sha, "size": 0} for name in sorted(inner)]
        if entries or not folder:
            self._send(200, entries)
        else:
            self._send(404, {"error": "no such folder"}, {"X-Error-Code": "EntryNotFound"})

    def _preupload(self, repo: str, body: bytes) -> None:
        names = [file["path"] for file in json.loads(body)["files"]]
        modes = {name: "lfs" if name.endswith(".parquet") else "regular" for name in names}
        files = [{"path": name, "uploadMode": mode, "shouldIgnore": False} for name, mode in modes.items()]
        self._send(200, {"files": files})

    def _batch(self, wanted: dict[str, Any]) -> None:
        objects = [
            {**o, "actions": {"upload": {"href": f"{self.hub.url}/large/{o['oid']}"}}} for o in wanted["objects"]
        ]
        self._send(200, {"transfer": "basic", "objects": objects})

    def _commit(self, repo: str, body: bytes) -> None:
        for line in map(json.loads, body.decode().splitlines()):
            if line["key"] == "file":
                self.hub.files[repo][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "lfsFile":
                self.hub.files[repo][line["value"]["path"]] = self.hub.large[line["value"]["oid"]]
            elif line["key"] == "deletedFile":
                del self.hub.files[repo][line["value"]["path"]]
        self.hub.commits += 1
        self._send(
            200,
            {
                "commitUrl": f"{self.hub.url}/datasets/{repo}/commit/{self.hub.sha}",
                "commitOid": self.hub.sha,
                "hookOutput": "",
            },
        )

    def _paths(self, repo: str, body: bytes) -> None:
        wanted = json.loads(body)["paths"] if body.startswith(b"{") else re.findall(r"paths=([^&]+)", body.decode())
        self._send(200, [self._entry(n, d) for n, d in self._below(repo, "") if n in wanted])

    def _info(self, repo: str) -> None:
        if repo not in self.hub.files:
            self._send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            return
        siblings = [{"rfilename": name} for name in self.hub.files[repo]]
        self._send(
            200, {"id": repo, "sha": self.hub.sha, "private": self.hub.private[repo], "siblings": siblings, "tags": []}
        )

    def _below(self, repo: str, folder: str) -> list[tuple[str, bytes]]:
        return [(n, d) for n, d in self.hub.files.get(repo, {}).items() if n.startswith(folder and folder + "/")]

    def _entry(self, name: str, data: bytes) -> dict[str, Any]:
        return {"type": "file", "path": name, "size": len(data), "oid": self.hub.sha}

    def _file(self, data: bytes | None) -> None:
        if data is None:
            self._send(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
            return
        self._send(200, data, {"ETag": f'"{hash(data)}"', "X-Repo-Commit": self.hub.sha})

    def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""
