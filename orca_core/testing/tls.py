"""A certificate for the fake server, made by the ``openssl`` command: nothing trusts it that is not told to."""

from __future__ import annotations

import subprocess
from pathlib import Path


def self_signed(directory: Path) -> Path:
    """A PEM file with a key and its self-signed certificate for 127.0.0.1; clients that should trust it get it as CA file."""
    key, certificate, both = (directory / name for name in ("key.pem", "certificate.pem", "server.pem"))
    made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2"]
    named = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", *made, *named, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    both.touch(mode=0o600)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both
