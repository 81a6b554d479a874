# SPDX-License-Identifier: Apache-2.0
"""Stores of secrets as they speak to a client: Amazon S3, AWS Secrets Manager, AWS STS, the metadata of an
instance, Google Cloud Storage with its token server, and a cluster's Secrets. Signatures of AWS are computed anew here, and
a request whose signature differs is refused."""
import base64
import hashlib
import hmac
import http.server
import json
import threading
import urllib.parse

KEYS = {"AKIAENV": "env-secret", "AKIAFILE": "file-secret", "ASIAWEB": "web-secret", "ASIAROLE": "role-secret",
        "ASIABOX": "box-secret"}
SESSIONS = {"ASIAWEB": "web-session", "ASIAROLE": "role-session", "ASIABOX": "box-session"}
WEB_IDENTITY = "web-identity-jwt"
GOOGLE_TOKEN = "ya29.google"


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(method, path, query, headers, body, authorization):
    """By docs.aws.amazon.com/general/latest/gr/sigv4-create-canonical-request.html; "" if it is malformed."""
    fields = dict(f.strip().split("=", 1) for f in authorization.removeprefix("AWS4-HMAC-SHA256 ").split(","))
    key, date, region, service, _ = fields["Credential"].split("/")
    names = fields["SignedHeaders"].split(";")
    if "host" not in names or "x-amz-date" not in names or key not in KEYS:
        return None, ""
    canonical = "\n".join([method, path, query, *(f"{n}:{' '.join(headers[n].split())}" for n in names), "",
                           fields["SignedHeaders"], hashlib.sha256(body).hexdigest()])
    scope = f"{date}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    k = _hmac(_hmac(_hmac(_hmac(("AWS4" + KEYS[key]).encode(), date), region), service), "aws4_request")
    good = hmac.compare_digest(hmac.new(k, text.encode(), hashlib.sha256).hexdigest(), fields["Signature"])
    return (key if good else None), f"{region}/{service}"


class Stores:
    """On one port. buckets: {bucket: {name: bytes}}; secrets: {name: text or bytes}."""

    def __init__(self):
        self.buckets, self.secrets, self.requests, self.used = {}, {}, [], []
        handler = type("Bound", (Handler,), {"stores": self})
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stores = None

    def log_message(self, *a):
        pass

    def reply(self, body, code=200):
        body = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def signed(self, body, service):
        headers = {k.lower(): v for k, v in self.headers.items()}
        path, _, query = self.path.partition("?")
        authorization = headers.get("authorization", "")
        if not authorization.startswith("AWS4-HMAC-SHA256 "):
            return False
        key, where = signature(self.command, path, query, headers, body, authorization)
        session = SESSIONS.get(key, "")
        good = key is not None and where.endswith(f"/{service}") and headers.get("x-amz-security-token", "") == session
        if good:
            self.stores.used.append((service, key, where))
        return good

    def do_PUT(self):
        if self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]:
            return self.reply("imds-session")
        return self.reply("", 405)

    def do_GET(self):
        self.stores.requests.append(self.path)
        if self.path.startswith("/latest/meta-data/iam/security-credentials/"):
            if self.headers["X-aws-ec2-metadata-token"] != "imds-session":
                return self.reply("", 401)
            return self.reply("the-role" if self.path.endswith("/") else self.session("ASIAROLE"))
        if self.path == "/pod-identity":
            return self.reply(self.session("ASIABOX") if self.headers["Authorization"] == "box-token" else {},
                              200 if self.headers["Authorization"] == "box-token" else 403)
        if self.path.startswith("/computeMetadata/"):
            return self.reply({"access_token": GOOGLE_TOKEN, "expires_in": 3599}
                              if self.headers["Metadata-Flavor"] == "Google" else {})
        if self.path.startswith("/storage/v1/"):
            return self.google()
        if not self.signed(b"", "s3"):
            return self.reply("<Error><Code>SignatureDoesNotMatch</Code></Error>", 403)
        _, bucket, name = urllib.parse.unquote(self.path).split("/", 2)
        data = self.stores.buckets.get(bucket, {}).get(name)
        return self.reply(data if data is not None else "<Error><Code>NoSuchKey</Code></Error>", 200 if data is not None else 404)

    def session(self, key):
        return {"AccessKeyId": key, "SecretAccessKey": KEYS[key], "Token": SESSIONS[key], "Expiration": "2099-01-01T00:00:00Z"}

    def google(self):
        if self.headers["Authorization"] != f"Bearer {GOOGLE_TOKEN}":
            return self.reply({}, 401)
        path, _, query = self.path.partition("?")
        _, _, _, _, bucket, _, name = path.split("/")  # an encoded name has no slash
        data = self.stores.buckets.get(bucket, {}).get(urllib.parse.unquote(name))
        return self.reply(data if data is not None and query == "alt=media" else {}, 200 if data is not None else 404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        form = dict(urllib.parse.parse_qsl(body.decode()))
        if form.get("Action") == "AssumeRoleWithWebIdentity":
            if form["WebIdentityToken"] != WEB_IDENTITY or form["RoleArn"] != "arn:aws:iam::1:role/agent":
                return self.reply("<ErrorResponse/>", 403)
            return self.reply(f"<AssumeRoleWithWebIdentityResponse><Credentials><AccessKeyId>ASIAWEB</AccessKeyId>\n"
                              f"<SecretAccessKey>{KEYS['ASIAWEB']}</SecretAccessKey>"
                              f"<SessionToken>{SESSIONS['ASIAWEB']}</SessionToken></Credentials></AssumeRoleWithWebIdentityResponse>")
        if "assertion" in form:
            return self.google_token(form)
        if self.headers["X-Amz-Target"] != "secretsmanager.GetSecretValue" or not self.signed(body, "secretsmanager"):
            return self.reply({"__type": "com.amazon.coral.service#AccessDeniedException"}, 400)
        value = self.stores.secrets.get(json.loads(body)["SecretId"])
        if value is None:
            return self.reply({"__type": "com.amazonaws.secretsmanager#ResourceNotFoundException"}, 400)
        if isinstance(value, bytes):
            return self.reply({"SecretBinary": base64.b64encode(value).decode()})
        return self.reply({"SecretString": value})

    def google_token(self, form):
        head, claims, sign = form["assertion"].split(".")
        claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        self.stores.assertion = (f"{head}.{form['assertion'].split('.')[1]}".encode(),
                                 base64.urlsafe_b64decode(sign + "=" * (-len(sign) % 4)))
        good = form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer" and claims["iss"] == "agent@x.iam"
        return self.reply({"access_token": GOOGLE_TOKEN} if good else {}, 200 if good else 400)
