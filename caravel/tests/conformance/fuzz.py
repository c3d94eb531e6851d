#!/usr/bin/env python3
"""Asks a running Caravel whatever its description describes, with valid and invalid values, by schemathesis.

As a tenant and as an admin with a session's signature, and as an admin who is signed in at the dashboard, for the routes of
operators. Fails on an answer that is a 500, or has a status, a media type or a body that the description does not know.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
import venv
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PROGRAMS = TARGET / "debug"
# What the API believes to be called; clients sign it.
SERVER_URL = "http://caravel.example"
RELAY_DOMAIN = "relays.example.com"
CHECKS = ",".join(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
# Values that are tried of each route before the next one's turn.
EXAMPLES = "10"


def installed():
    """schemathesis, in an environment of its own."""
    folder = TARGET / "schemathesis"
    program = folder / "bin" / "schemathesis"
    wanted = (HERE / "requirements.txt").read_text()
    stamp = folder / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", HERE / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    return program


def output(program, *arguments, **variables):
    return subprocess.run(
        [PROGRAMS / program, *arguments],
        env=variables,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def keys():
    """A fresh pair of keys: the secret and the public one, as hex."""
    words = output("caravel", "keygen").split()
    secret, public = [word for word in words if len(word) == 64 and word.isalnum()][:2]
    return secret, public


@contextmanager
def running(program, *arguments, folder, **variables):
    """The program, and where it listens."""
    process = subprocess.Popen(
        [PROGRAMS / program, *arguments],
        cwd=folder,
        env={"RUST_LOG": "warn", **variables},
        stdout=subprocess.PIPE,
        stderr=(folder / f"{program}.log").open("w"),
        text=True,
    )
    try:
        for line in process.stdout:
            if line.startswith("listening on "):
                yield line.split()[-1]
                break
        else:
            raise SystemExit(f"{program}: {(folder / f'{program}.log').read_text()}")
    finally:
        process.terminate()
        process.wait()


def signature(secret, url=SERVER_URL, method=None):
    of_request = ["--method", method] if method else []
    return output("caravel", "sign", "--url", url, *of_request, CARAVEL_SIGN_KEY=secret)


def call(url, method, path, authorization, body=None):
    """The data of a call that must succeed, and the headers."""
    request = urllib.request.Request(
        f"{url}{path}",
        method=method,
        data=json.dumps(body or {}).encode(),
        headers={"Authorization": authorization},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["data"], answer.headers


def fuzz(schemathesis, url, who, seconds, headers, relay, tenant, excluded):
    print(f"--- {who}", flush=True)
    # So that requests come to something that is there.
    configuration = [
        "[parameters]",
        f'"path.id" = "{relay}"',
        f'"path.pubkey" = "{tenant}"',
        f'"path.name" = "{RELAY_DOMAIN}"',
        "[[operations]]",
        'include-path = "/plans/{id}"',
        'parameters = { "path.id" = "basic" }',
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "schemathesis.toml"
        file.write_text("\n".join(configuration))
        arguments = [
            *["--config-file", file, "run", f"{url}/openapi.json", "--url", url],
            *["--checks", CHECKS, "--phases", "coverage,fuzzing", "--max-examples", EXAMPLES],
            *["--seed", "1", "--max-time", str(seconds), "--generation-database", "none"],
            *["--generation-with-security-parameters", "false", "--request-timeout", "40"],
            *["--continue-on-failure", "--no-shrink", "--warnings", "off", "--no-color"],
            # Streams do not end.
            *["--exclude-path-regex", f"/events$|{excluded}"],
        ]
        for name, value in headers.items():
            arguments += ["--header", f"{name}: {value}"]
        return subprocess.run([schemathesis, *arguments], cwd=folder).returncode == 0


def main():
    schemathesis = installed()
    build = ["cargo", "build", "--locked", "--quiet", "-p", "caravel", "-p", "zooid-sim"]
    subprocess.run(build, cwd=ROOT, check=True)
    (admin, admin_key), (tenant, tenant_key), (zooid, zooid_key) = keys(), keys(), keys()
    with tempfile.TemporaryDirectory() as folder, running(
        "zooid-sim",
        *["--host", "127.0.0.1", "--port", "0", "--api-whitelist", zooid_key],
        folder=Path(folder),
    ) as zooid_url, running(
        "caravel",
        "serve",
        folder=Path(folder),
        DATABASE_URL=f"sqlite://{folder}/caravel.db",
        CARAVEL_SECRETS_KEY="07" * 32,
        SERVER_URL=SERVER_URL,
        SERVER_PORT="0",
        SERVER_ADMIN_PUBKEYS=admin_key,
        RELAY_DOMAIN=RELAY_DOMAIN,
        ZOOID_API_URL=zooid_url,
        ZOOID_API_SECRET=zooid,
        RATE_LIMIT_KEY="1000000",
        RATE_LIMIT_ADDRESS="1000000",
    ) as url:
        session = signature(tenant)
        call(url, "POST", "/tenants", session)
        new = {"subdomain": "club", "zooid_domain": RELAY_DOMAIN, "plan_id": "basic"}
        relay, _ = call(url, "POST", "/relays", session, new)
        path = "/dashboard/session"
        sign_in = signature(admin, f"{SERVER_URL}{path}", "POST")
        signed_in, headers = call(url, "POST", path, sign_in)
        dashboard = {
            "Cookie": headers["Set-Cookie"].split(";")[0],
            "X-CSRF-Token": signed_in["csrf"],
        }
        results = [
            fuzz(schemathesis, url, who, seconds, headers, relay["id"], tenant_key, excluded)
            for who, seconds, headers, excluded in [
                ("as a tenant", 60, {"Authorization": session}, "^/operator"),
                ("as an admin", 30, {"Authorization": signature(admin)}, "^/(operator|dashboard)"),
                # Whoever signs out is asked no more. The longest bodies are here, and take the longest to make up.
                ("as an admin at the dashboard", 80, dashboard, "^/(tenants|dashboard)"),
            ]
        ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
