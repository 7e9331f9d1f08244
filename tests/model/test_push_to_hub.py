"""`push_to_hub`, to a small server on this machine that speaks the hub's protocol."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants, hf_api
from model_families import IMAGE, flamingo, language_model, pictures, vision_encoder
from transformers.utils import hub as transformers_hub

from m3w.model import Flamingo


class Hub(BaseHTTPRequestHandler):
    """Takes commits, keeps their files in `server.files`."""

    def answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_GET(self) -> None:  # no file is there yet
        self.answer(404, {"error": "not found"})

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        chunked = self.headers.get("Transfer-Encoding") == "chunked"
        body = self.chunks() if chunked else self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = f"http://{self.headers['Host']}/me/flamingo"
        if self.path.endswith("/repos/create"):
            self.answer(200, {"url": url, "name": "me/flamingo", "id": "me/flamingo"})
        elif "/preupload/" in self.path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]
            ]
            self.answer(200, {"files": files})
        elif "/commit/" in self.path:
            entries = [json.loads(line) for line in body.splitlines()]
            held = [entry["value"] for entry in entries if entry["key"] == "file"]
            self.server.files = {file["path"]: base64.b64decode(file["content"]) for file in held}  # type: ignore[attr-defined]
            self.answer(200, {"commitUrl": f"{url}/commit/1", "commitOid": "1" * 40, "success": True})
        else:
            self.answer(200, {"errors": [], "warnings": []})

    def chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    for client in (hf_api.api, getattr(transformers_hub, "hf_api", lambda: hf_api.api)()):
        monkeypatch.setattr(client, "endpoint", address)
        monkeypatch.setattr(client, "token", "hf_none")
    yield server
    server.shutdown()


@pytest.mark.parametrize("trained_only", [False, True])
def test_what_is_pushed_is_what_loads(trained_only: bool, hub: Any, tmp_path: Path) -> None:
    model = flamingo("opt", language_model_name="lm", vision_encoder_name="vision")
    if trained_only:
        model.save_pretrained(tmp_path / "local", trained_only=True, push_to_hub=True, repo_id="me/flamingo")
    else:
        model.push_to_hub("me/flamingo")
    for name, content in hub.files.items():
        (tmp_path / name).write_bytes(content)
    backbones = {"language_model": language_model("opt"), "vision_encoder": vision_encoder()} if trained_only else {}
    again = Flamingo.from_pretrained(tmp_path, **backbones)
    call = (torch.tensor([[5, IMAGE, 6]]), None, pictures(1), torch.tensor([1]))
    torch.testing.assert_close(again(*call).logits, model(*call).logits, atol=2e-6, rtol=1e-5)
    assert json.loads(hub.files["config.json"])["checkpoint_holds"] == ("trained" if trained_only else "everything")
