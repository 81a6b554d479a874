# SPDX-License-Identifier: Apache-2.0
"""layout.py ROOT OUT VERSION SECONDS: makes OUT, an OCI image layout (image-spec 1.0) of one layer, the tree ROOT. Times
are SECONDS since 1970 and the order is by name, so that the same tree makes the same image."""
import gzip
import hashlib
import io
import json
import pathlib
import shutil
import sys
import tarfile
import time

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def layer(root, seconds):
    """The tree as a tar archive; what it is in bytes, plain."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            entry = tar.gettarinfo(path, str(path.relative_to(root)))
            entry.mtime, entry.uname, entry.gname = seconds, "", ""
            if entry.isreg():
                with open(path, "rb") as f:
                    tar.addfile(entry, f)
            else:
                tar.addfile(entry)
    return out.getvalue()


def main(root, out, version, seconds):
    out = pathlib.Path(out)
    shutil.rmtree(out, ignore_errors=True)
    blobs = out / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content, media, **more):
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{media}", "digest": f"sha256:{digest}", "size": len(content), **more}

    machine = MACHINES[pathlib.os.uname().machine]
    plain = layer(pathlib.Path(root), int(seconds))
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(seconds)))
    config = {
        "created": created, "architecture": machine, "os": "linux",
        "config": {"User": "65532:65532", "Entrypoint": ["/usr/sbin/scale-agentd"], "WorkingDir": "/",
                   "Env": ["PATH=/usr/sbin:/usr/bin"], "ExposedPorts": {"8008/tcp": {}, "8082/tcp": {}},
                   "Volumes": {"/run/scale-agent": {}, "/var/lib/scale-agent": {}},
                   "Labels": {"org.opencontainers.image.title": "scale-agent", "org.opencontainers.image.version": version,
                              "org.opencontainers.image.licenses": "Apache-2.0"}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(plain).hexdigest()}"]},
        "history": [{"created": created, "created_by": "scripts/package image"}],
    }

    def text(value):
        return json.dumps(value, sort_keys=True).encode()
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": put(text(config), "config.v1+json"),
                "layers": [put(gzip.compress(plain, mtime=0), "layer.v1.tar+gzip")]}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
             "manifests": [put(text(manifest), "manifest.v1+json", platform={"architecture": machine, "os": "linux"},
                               annotations={"org.opencontainers.image.ref.name": version})]}
    (out / "index.json").write_bytes(text(index))
    (out / "oci-layout").write_bytes(text({"imageLayoutVersion": "1.0.0"}))


if __name__ == "__main__":
    main(*sys.argv[1:])
