"""A small real OpenID Connect provider on the loopback: discovery, authorisation, token, keys. It checks what a
provider has to check (client, address, code once, PKCE), and can be told to lie.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from sanfang.ports import LOOPBACK

CLIENT, SECRET = "sanfang", "a secret of the client's"
Claims = dict[str, Any]


@dataclass
class Provider:
    """A running provider; `lie` changes the claims before they are signed, `sign` the signing."""

    port: int
    back: str
    name: str = "wang"
    lie: Callable[[Claims], Claims] = dict
    sign: Callable[[Provider, Claims], str] | None = None
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1"}, private=True))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def discovery(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser is sent back to, as the person's log-in at the provider went well."""
        wrong = {
            "response_type": "code",
            "client_id": CLIENT,
            "redirect_uri": self.back,
            "code_challenge_method": "S256",
        }.items() - asked.items()
        if (
            wrong
            or "openid" not in asked["scope"].split()
            or len(asked["state"]) < 20
            or len(asked["nonce"]) < 20
        ):
            self.faults.append(f"asked {asked}")
        code = token_urlsafe(12)
        self.codes[code] = asked
        return f"{self.back}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str]) -> Claims | None:
        """The answer to an exchange; None: refused."""
        asked = self.codes.pop(form.get("code", ""), None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or proof.rstrip(b"=").decode() != asked["code_challenge"]:
            return None
        if (form["client_id"], form.get("client_secret"), form["redirect_uri"]) != (CLIENT, SECRET, self.back):
            return None
        now = int(time.time())
        claims = self.lie(
            {
                "iss": self.issuer,
                "sub": f"id-of-{self.name}",
                "aud": CLIENT,
                "iat": now,
                "exp": now + 300,
                "nonce": asked["nonce"],
                "preferred_username": self.name,
                "groups": ["administrator"],
                "roles": ["administrator"],
            }
        )
        sign = self.sign or (
            lambda provider, said: jwt.encode({"alg": "RS256", "kid": "k1"}, said, provider.key)
        )
        return {"access_token": "x", "token_type": "Bearer", "id_token": sign(self, claims)}

    def keys(self) -> Claims:
        return {"keys": [self.key.as_dict(private=False)]}


def unsigned(_provider: Provider, claims: Claims) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "none"}, claims)
    ]
    return b".".join([*parts, b""]).decode()


def by_another_key(_provider: Provider, claims: Claims) -> str:
    return jwt.encode(
        {"alg": "RS256", "kid": "k1"}, claims, RSAKey.generate_key(2048, {"kid": "k1"}, private=True)
    )


def by_the_public_key(provider: Provider, claims: Claims) -> str:
    """The old trick: what everybody has is taken for a shared secret."""
    head = {"alg": "HS256", "kid": "k1"}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims)]
    mac = hmac.digest(provider.key.as_pem(private=False), b".".join(parts), "sha256")
    return b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()


@contextmanager
def run_provider(port: int, back: str) -> Iterator[Provider]:
    provider = Provider(port, back)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(dict(parse_qsl(parts.query))))
                self.end_headers()
                return
            known = {"/.well-known/openid-configuration": provider.discovery, "/keys": provider.keys}
            self.say(known[parts.path]() if parts.path in known else None)

        def do_POST(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.say(provider.token(form))

        def say(self, told: Claims | None) -> None:
            data = json.dumps(told or {"error": "invalid_grant"}).encode()
            self.send_response(200 if told else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer((LOOPBACK, port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
