"""`signoff doctor` and `signoff health`, run as a person runs them."""

import http.server
import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

ROOT = Path(__file__).resolve().parents[2]


def signoff(place: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")}
    environment = (
        clean
        | {"PYTHONPATH": str(ROOT)}
        | {f"SIGNOFF_{name}": value for name, value in settings.items()}
    )
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


_LISTENERS = {
    "WEB": ("", "TLS_", "HEALTH_", "ADMIN_"),
    "RELAY": ("", "LMTP_", "HEALTH_"),
    "INBOX": ("", "HEALTH_"),
    "WORKER": ("HEALTH_",),
}
FREE = {
    f"{section}__{kind}LISTEN": "127.0.0.1:0"
    for section, kinds in _LISTENERS.items()
    for kind in kinds
}


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

    code, out = signoff(
        tmp_path, "doctor", "--offline", "--json", STORE__URL="redis://127.0.0.1:1/0"
    )

    verdicts = {finding["check"]: finding["verdict"] for finding in json.loads(out)}
    assert code == 1
    assert verdicts["keyring"] == "warning"
    assert verdicts["dkim s1._domainkey.acme.example"] == "problem"
    assert verdicts["store"] == "problem"


@pytest.mark.parametrize(
    ("setting", "check"), [("SPOOL_DIR", "spool"), ("INBOX__MAILDIR", "configuration")]
)
def test_a_path_that_cannot_be_looked_at_is_a_problem_and_hides_no_other_check(
    tmp_path: Path, setting: str, check: str
) -> None:
    """Catalogue N37: a name that the file system refuses gives a line, not a traceback."""
    code, out = signoff(
        tmp_path, "doctor", "--offline", "--json", **{**FREE, setting: str(tmp_path / ("x" * 300))}
    )

    verdicts = {finding["check"]: finding["verdict"] for finding in json.loads(out)}
    assert (1, "problem") == (code, verdicts[check])
    assert {"keyring", "store", "listeners"} <= verdicts.keys()
    assert "File name too long" in out


def test_in_development_nobody_is_asked_for_a_dkim_record(tmp_path: Path) -> None:
    """Nobody outside looks for it there, and no DNS holds it; so no trial of the network is
    made.
    """
    _, out = signoff(tmp_path, "doctor", "--json", **FREE)

    found = {
        finding["check"]: (finding["verdict"], finding["detail"]) for finding in json.loads(out)
    }
    verdict, detail = found["dkim s1._domainkey.acme.example"]
    assert ("not checked", True) == (verdict, detail.startswith("development"))


def _pem(name: str, authority: trustme.CA, ends: datetime) -> bytes:
    return authority.issue_cert(name, not_after=ends).cert_chain_pems[0].bytes()


def test_a_chain_is_good_only_as_long_as_its_shortest_certificate(tmp_path: Path) -> None:
    signoff(tmp_path, "doctor", "--offline", **FREE)
    authority = trustme.CA()
    ends = datetime.now(UTC) - timedelta(days=2)
    (tmp_path / "chain.pem").write_bytes(
        (tmp_path / "var/tls/cert.pem").read_bytes() + _pem("between.example", authority, ends)
    )
    place = {
        "WEB__TLS_CERT_FILE": str(tmp_path / "chain.pem"),
        "WEB__TLS_KEY_FILE": str(tmp_path / "var/tls/key.pem"),
    }

    code, out = signoff(tmp_path, "doctor", "--offline", "--json", **FREE, **place)

    found = {
        finding["check"]: (finding["verdict"], finding["detail"]) for finding in json.loads(out)
    }
    assert 1 == code
    assert ("problem", f"the certificate has ended on {ends:%Y-%m-%d}") == found[
        "web.tls_cert_file"
    ]


@pytest.mark.parametrize(
    ("settings", "is_told"),
    [
        ({}, True),
        ({"WEB__SECURITY_CONTACT": "mailto:security@acme.example"}, False),
        ({"INBOX__DOMAIN": "in.acme.example"}, False),
    ],
)
def test_a_production_without_a_security_contact_is_told_so(
    tmp_path: Path, settings: dict[str, str], is_told: bool
) -> None:
    signoff(tmp_path, "doctor", "--offline", **FREE)
    (tmp_path / "signoff.toml").write_text(
        'public_url = "https://unsubscribe.acme.example"\n[brands.acme]\nsender_domains ='
        ' ["acme.example"]\n[[brands.acme.dkim]]\ndomain = "acme.example"\nselector ='
        ' "s1"\nkey_file = "var/keys/acme-s1.pem"\n'
    )

    listeners = {name: value for name, value in FREE.items() if name != "WEB__TLS_LISTEN"}
    _, out = signoff(tmp_path, "doctor", "--offline", "--json", **listeners, **settings)

    assert is_told == (
        "web.security_contact" in {finding["check"] for finding in json.loads(out)}
    ), out


class _Ready(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        body = json.dumps(
            {"status": "ready" if self.status == 200 else "not ready", "checks": {"store": "ok"}}
        ).encode()
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
    away = {"WEB__ADMIN_LISTEN": "127.0.0.1:1"} | {
        f"{name}__HEALTH_LISTEN": "127.0.0.1:1" for name in ("RELAY", "INBOX", "WORKER")
    }
    try:
        return signoff(
            tmp_path, "health", WEB__HEALTH_LISTEN=f"127.0.0.1:{server.server_port}", **away
        )
    finally:
        server.shutdown()
        server.server_close()


def test_one_ready_process_is_good_health(tmp_path: Path) -> None:
    code, out = _asked(tmp_path, _Ready)

    assert (code, "ready" in out, out.count("no answer")) == (0, True, 4)


def test_a_process_that_is_not_ready_is_a_finding(tmp_path: Path) -> None:
    code, out = _asked(tmp_path, _Unready)

    assert (code, "not ready" in out) == (1, True)
