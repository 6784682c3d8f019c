"""`signoff doctor` and `signoff health`, run as a person runs them."""

import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def signoff(place: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")}
    environment = clean | {"PYTHONPATH": str(ROOT)} | {f"SIGNOFF_{name}": value for name, value in settings.items()}
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments], cwd=place, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


_LISTENERS = {"WEB": ("", "TLS_", "HEALTH_", "ADMIN_"), "RELAY": ("", "LMTP_", "HEALTH_"), "INBOX": ("", "HEALTH_"), "WORKER": ("HEALTH_",)}
FREE = {f"{section}__{kind}LISTEN": "127.0.0.1:0" for section, kinds in _LISTENERS.items() for kind in kinds}


def test_a_healthy_installation_has_no_problem(tmp_path: Path) -> None:
    code, out = signoff(tmp_path, "doctor", "--offline", "--json", **FREE)

    findings = json.loads(out)
    assert code == 0
    assert {finding["check"]: finding["verdict"] for finding in findings} == {
        "keyring": "good",
        "web.tls_cert_file": "good",
        "relay.tls_cert_file": "good",
        "inbox.tls_cert_file": "good",
        "dkim s1._domainkey.acme.example": "good",
        "spool": "good",
        "store": "good",
        "listeners": "good",
    }


def test_every_problem_is_found_at_once(tmp_path: Path) -> None:
    signoff(tmp_path, "doctor", "--offline")
    (tmp_path / "var/keys/acme-s1.pem").write_text("junk")
    (tmp_path / "var/keys/keyring.toml").chmod(0o644)

    code, out = signoff(tmp_path, "doctor", "--offline", "--json", STORE__URL="redis://127.0.0.1:1/0")

    verdicts = {finding["check"]: finding["verdict"] for finding in json.loads(out)}
    assert code == 1
    assert verdicts["keyring"] == "warning"
    assert verdicts["dkim s1._domainkey.acme.example"] == "problem"
    assert verdicts["store"] == "problem"


class _Ready(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        body = json.dumps({"status": "ready" if self.status == 200 else "not ready", "checks": {"store": "ok"}}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Unready(_Ready):
    status = 503


def _asked(tmp_path: Path, handler: type[_Ready]) -> tuple[int, str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    away = {"WEB__ADMIN_LISTEN": "127.0.0.1:1"} | {f"{name}__HEALTH_LISTEN": "127.0.0.1:1" for name in ("RELAY", "INBOX", "WORKER")}
    try:
        return signoff(tmp_path, "health", WEB__HEALTH_LISTEN=f"127.0.0.1:{server.server_port}", **away)
    finally:
        server.shutdown()
        server.server_close()


def test_one_ready_process_is_good_health(tmp_path: Path) -> None:
    code, out = _asked(tmp_path, _Ready)

    assert (code, "ready" in out, out.count("no answer")) == (0, True, 4)


def test_a_process_that_is_not_ready_is_a_finding(tmp_path: Path) -> None:
    code, out = _asked(tmp_path, _Unready)

    assert (code, "not ready" in out) == (1, True)
