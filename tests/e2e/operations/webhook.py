# SPDX-License-Identifier: Apache-2.0
"""Admission webhooks of every temper: a namespace's label "webhook" says which one its config maps meet."""
import base64
import http.server
import json
import ssl
import subprocess
import threading

VALIDATING = ("refuse", "refuse-change", "refuse-unicode", "broken", "warn")
MUTATING = ("mutate",)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):  # noqa: N802
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        temper = self.path.strip("/").partition("?")[0]
        if temper == "broken":
            self._answer(500, b"out of order")
            return
        response = {"uid": review["request"]["uid"], "allowed": True}
        if temper == "refuse" or temper == "refuse-change" and review["request"]["operation"] == "UPDATE":
            response.update(allowed=False, status={"code": 403, "message": "the webhook says no"})
        if temper == "refuse-unicode":
            response.update(allowed=False, status={"code": 422, "reason": "Invalid", "message": "nein: \"ü\" \n<zwei Zeilen>"})
        if temper == "warn":
            response["warnings"] = ["the webhook has seen better"]
        if temper == "mutate":
            patch = [{"op": "add", "path": "/data/hooked", "value": "yes"}]
            response.update(patchType="JSONPatch", patch=base64.b64encode(json.dumps(patch).encode()).decode())
        self._answer(200, json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).encode())

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Webhooks:
    """Served on a port of its own until close(), and known to the API server."""

    def __init__(self, cluster, api):
        pki = cluster.dir / "pki"
        script = """set -e; cd "$1"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out webhook.key
printf 'extendedKeyUsage=serverAuth\nsubjectAltName=IP:127.0.0.1\n' >webhook.ext
openssl req -new -key webhook.key -subj /CN=webhook |
    openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile webhook.ext -out webhook.crt"""
        subprocess.run(["bash", "-c", script, "bash", str(pki)], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki / "webhook.crt", pki / "webhook.key")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        ca = base64.b64encode((pki / "ca.crt").read_bytes()).decode()
        for kind, tempers in (("Validating", VALIDATING), ("Mutating", MUTATING)):
            api("POST", f"/apis/admissionregistration.k8s.io/v1/{kind.lower()}webhookconfigurations", {
                "metadata": {"name": "tempers"}, "webhooks": [self._webhook(t, ca) for t in tempers]})

    def _webhook(self, temper, ca):
        return {"name": f"{temper}.example.test", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail",
                "clientConfig": {"url": f"https://127.0.0.1:{self.server.server_port}/{temper}", "caBundle": ca},
                "namespaceSelector": {"matchLabels": {"webhook": temper}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}]}

    def close(self):
        self.server.shutdown()
        self.server.server_close()
