# SPDX-License-Identifier: Apache-2.0
"""The container image, without a container engine: its layout is as OCI's image-spec says, and the tree in it runs the
agent as a pod would, read-only and without rights, in namespaces of its own. What the Dockerfile does is done in a Debian
tree, and its agent started."""
import gzip
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import lifecycle  # noqa: E402
from rig.harness import paths  # noqa: E402
from rig.harness.peer import Peer  # noqa: E402
from rig.harness.procs import Process, wait_for  # noqa: E402
from rig.harness.sim import Sim  # noqa: E402


def make_layout(deb, out):
    """The image's layout, of this package, in a directory that is there; its path."""
    shutil.copy(deb, out)
    r = subprocess.run([str(paths.ROOT / "scripts/package"), "image", "--out", str(out)], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=400)
    if r.returncode != 0 and "can't be made" in r.stdout:
        raise unittest.SkipTest(r.stdout.strip().splitlines()[-2])
    if r.returncode != 0:
        raise AssertionError(r.stdout)
    return out / "scale-agent-image"


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        deb, = lifecycle.packages_of("bookworm", "scale-agent_*.deb")
        scratch = paths.Scratch("image")
        cls.addClassCleanup(scratch.close)
        cls.dir = scratch.path
        cls.layout = make_layout(deb, cls.dir)
        cls.manifest = cls.blob(cls.read("index.json")["manifests"][0])
        cls.config = cls.blob(cls.manifest["config"])
        cls.root = cls.dir / "root"
        with tarfile.open(cls.path_of(cls.manifest["layers"][0])) as tar:
            tar.extractall(cls.root)

    @classmethod
    def read(cls, name):
        return json.loads((cls.layout / name).read_text())

    @classmethod
    def path_of(cls, descriptor):
        return cls.layout / "blobs" / descriptor["digest"].replace(":", "/")

    @classmethod
    def blob(cls, descriptor):
        return json.loads(cls.path_of(descriptor).read_text())

    def test_layout(self):
        self.assertEqual(self.read("oci-layout"), {"imageLayoutVersion": "1.0.0"})
        index = self.read("index.json")
        named = [index["manifests"][0], self.manifest["config"], *self.manifest["layers"]]
        for descriptor in named:
            content = self.path_of(descriptor).read_bytes()
            self.assertEqual(descriptor["digest"], "sha256:" + hashlib.sha256(content).hexdigest())
            self.assertEqual(descriptor["size"], len(content))
        plain = gzip.decompress(self.path_of(self.manifest["layers"][0]).read_bytes())
        self.assertEqual(self.config["rootfs"]["diff_ids"], ["sha256:" + hashlib.sha256(plain).hexdigest()])
        self.assertEqual(len(list((self.layout / "blobs/sha256").iterdir())), len(named))

    def test_nobody_is_root_and_nothing_is_there_to_run(self):
        self.assertEqual(self.config["config"]["User"], "65532:65532")
        programs = {p.name for p in self.root.rglob("*") if p.is_file() and not p.is_symlink() and os.access(p, os.X_OK) and
                    "/lib/" not in str(p)}
        self.assertEqual(programs - {"ld-linux-x86-64.so.2"}, {"scale-agentd", "scale-agentctl"})
        special = [p for p in self.root.rglob("*") if not p.is_symlink() and p.is_file() and p.stat().st_mode & 0o6000]
        self.assertEqual(special, [])
        self.assertTrue((self.root / "usr/share/doc/libc6/copyright").exists())

    def test_streams_from_a_read_only_root(self):
        try:
            sim = Sim(self.dir / "sim", 1, objects=50)
        except paths.Missing as e:
            self.skipTest(str(e))
        self.addCleanup(sim.stop)
        peer = Peer(self.dir / "peer")
        self.addCleanup(peer.stop)
        peer.start()
        config = self.dir / "config"
        config.mkdir()
        kubeconfig = config / "kubeconfig"
        shutil.copyfile(sim.kubeconfigs()[0], kubeconfig)
        (config / "armory-agent.yml").write_text(json.dumps({
            "clouddriver": {"grpc": peer.address, "insecure": True},
            "kubernetes": {"accounts": [{"name": "one", "kubeconfigFile": "/opt/armory/config/kubeconfig"}]}}))
        # As a kubelet would: the image read-only, tmpfs where it is written to, the map at its place.
        script = f"""set -e
            mount --bind {self.root} {self.root} && mount -o remount,bind,ro {self.root}
            mount --bind {config} {self.root}/opt/armory/config
            mount -t proc proc {self.root}/proc
            mount -t tmpfs t {self.root}/dev
            for d in null urandom; do touch {self.root}/dev/$d; mount --bind /dev/$d {self.root}/dev/$d; done
            for d in run/scale-agent var/lib/scale-agent; do mount -t tmpfs -o uid=65532,gid=65532,mode=750 t {self.root}/$d; done
            exec env -i PATH=/usr/sbin:/usr/bin KUBERNETES_SERVICE_HOST=10.0.0.1 \\
                /usr/sbin/chroot --userspec=65532:65532 --groups= {self.root} {' '.join(self.config['config']['Entrypoint'])}"""
        agent = Process(["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", script], self.dir / "agent.log")
        self.addCleanup(agent.stop)

        def arrived():
            agent.check()
            return len(peer.rows()) >= 40
        wait_for("the objects", arrived, 40)


class Dockerfile(unittest.TestCase):
    def test_the_agent_starts_in_what_it_makes(self):
        """As with "docker run", which lays nothing over the directories that the agent writes to."""
        deb, = lifecycle.packages_of("bookworm", "scale-agent_*.deb")
        tree = lifecycle.tree_of("bookworm")
        scratch = paths.Scratch("dockerfile")
        self.addCleanup(scratch.close)
        work = scratch.path / "work"
        work.mkdir()
        shutil.copy(deb, work)
        text = (paths.ROOT / "packaging/container/Dockerfile").read_text()
        (work / "steps").write_text(re.search(r"^RUN ((?:.*\\\n)*.*)$", text, re.M).group(1) + "\n")
        user, group = re.search(r"^USER (\d+):(\d+)$", text, re.M).groups()
        entry = shlex.join(json.loads(re.search(r"^ENTRYPOINT (.*)$", text, re.M).group(1)))
        (work / "run").write_text(f"""cp /work/*.deb /tmp && sh -e /work/steps
            printf 'sink: sqlite\\nserver: {{port: 0}}\\n' >/etc/scale-agent/scale-agent.yml
            setpriv --reuid {user} --regid {group} --clear-groups --no-new-privs --bounding-set -all {entry} &
            trap "kill $!" EXIT
            timeout 60 sh -c "until scale-agentctl status; do kill -0 $! || exit 1; sleep 0.2; done"
            """)
        r = subprocess.run(["bash", "-c", '. scripts/lib/common.sh && . scripts/lib/trees.sh && . scripts/lib/packaging.sh && '
                            'in_overlay "$@" bash -e /work/run', "-", tree, str(work)], cwd=paths.ROOT, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
        self.assertEqual(r.returncode, 0, r.stdout[-3000:])
        self.assertIn("0 accounts", r.stdout)


if __name__ == "__main__":
    unittest.main()
