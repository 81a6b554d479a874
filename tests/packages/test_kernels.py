# SPDX-License-Identifier: Apache-2.0
"""Debian's own kernels in a virtual machine: 6.1 of Debian 12, whose Landlock is an early one, and 6.12 of Debian 13. The
agent starts, streams a simulated cluster, says what the kernel lacks, and is confined by all that it has. Without KVM, so
that it needs none: the machine is a kernel and the image's tree with busybox, nothing more."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lifecycle  # noqa: E402
import test_image  # noqa: E402
from rig.harness import paths  # noqa: E402
from rig.harness.procs import at_end, done  # noqa: E402

INIT = pathlib.Path(__file__).with_name("kernel") / "init"
BUSYBOX = pathlib.Path("/bin/busybox")
SANDBOX_TEST = "tests/unit/base_sandbox_test"
# 6.12 does not come up with cmpxchg16b as qemu 7.2 does it.
QEMU = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max,-cx16", "-smp", "1", "-m", "768", "-nographic", "-no-reboot", "-nic", "none"]
SECONDS = 800  # a minute where there is time


class Kernels(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for program in ("qemu-system-x86_64", "cpio"):
            if not shutil.which(program):
                raise unittest.SkipTest(f"{program} is not installed")
        if not BUSYBOX.exists():
            raise unittest.SkipTest("busybox is not installed")
        deb, = lifecycle.packages_of("bookworm", "scale-agent_*.deb")
        scratch = paths.Scratch("kernels")
        cls.addClassCleanup(scratch.close)
        cls.dir = scratch.path
        try:
            sim = paths.go_build("tests/rig/kubesim", 19)
        except paths.Missing as e:
            raise unittest.SkipTest(str(e)) from e
        layout = test_image.make_layout(deb, cls.dir)
        root = cls.dir / "root"
        index = json.loads((layout / "index.json").read_text())

        def blob(descriptor):
            return layout / "blobs" / descriptor["digest"].replace(":", "/")
        manifest = json.loads(blob(index["manifests"][0]).read_text())
        with tarfile.open(blob(manifest["layers"][0])) as tar:
            tar.extractall(root)
        (root / "bin").mkdir()
        shutil.copy(BUSYBOX, root / "bin/busybox")
        shutil.copy(INIT, root / "init")
        shutil.copy(sim, root / "usr/bin/kubesim")
        (root / "sys").mkdir(exist_ok=True)
        cls.add_sandbox_test(root)
        cls.initrd = cls.dir / "initrd"
        with cls.initrd.open("wb") as out:
            names = subprocess.run(["find", ".", "-print0"], cwd=root, stdout=subprocess.PIPE, check=True).stdout
            subprocess.run(["cpio", "--null", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=root, input=names, stdout=out, check=True)

    @classmethod
    def add_sandbox_test(cls, root):
        """The unit tests of what is denied, where they were built on the release that the tree is of."""
        program = paths.build_dir() / SANDBOX_TEST
        cls.has_test = program.exists() and 'VERSION_ID="12"' in pathlib.Path("/etc/os-release").read_text()
        if not cls.has_test:
            return
        for each in (program, shutil.which("openssl")):
            shutil.copy(each, root / "usr/bin")
        (root / "usr/lib/ssl").mkdir(exist_ok=True)
        (root / "usr/lib/ssl/openssl.cnf").symlink_to("/etc/ssl/openssl.cnf")
        for library in re.findall(r"=> (/\S+)", subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout):
            target = root / "usr/lib/x86_64-linux-gnu" / pathlib.Path(library).name
            if not target.exists():
                shutil.copy(library, target)

    def boot(self, suite):
        """{name of a part: its text} of what it says; the seconds it took."""
        kernel = os.environ.get(f"SA_KERNEL_{suite}", "")
        if not kernel:
            self.skipTest(os.environ.get(f"SA_KERNEL_{suite}_LACKS") or f"there is no kernel of {suite}")
        begin = time.monotonic()
        log = self.dir / f"{suite}.log"
        with log.open("wb") as out:
            qemu = subprocess.Popen([*QEMU, "-kernel", kernel, "-initrd", str(self.initrd),
                                     "-append", "console=ttyS0 quiet panic=-1 no_timer_check rdinit=/init"],
                                    stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
            at_end(qemu.kill)
            try:
                qemu.wait(SECONDS)
            except subprocess.TimeoutExpired:
                qemu.kill()
                qemu.wait()
            done(qemu.kill)
        text = log.read_text(errors="replace").replace("\r", "")
        parts = dict(part.split("\n", 1) for part in re.split(r"^=== ", text, flags=re.M)[1:])
        self.assertIn("end", parts, f"{suite}: it did not come to its end:\n{text[-3000:]}")
        return parts, time.monotonic() - begin

    def check_confined(self, parts):
        """Of the kernel's own word, each thread of each process that is not the supervisor."""
        uids = set()
        processes = {name: text for name, text in parts.items() if name.startswith("process scale-agent: ") and "supervisor" not in name}
        self.assertTrue(any("worker" in name for name in processes), parts["log"])
        for name, text in processes.items():
            threads = text.split("thread\n")[1:]
            self.assertTrue(threads, name)
            for thread in threads:
                said = {k: v.strip() for k, v in (line.split(":", 1) for line in thread.splitlines() if ":" in line)}
                self.assertEqual((said["Seccomp"], said["NoNewPrivs"], said["CapEff"], said["CapPrm"], said["Groups"]),
                                 ("2", "1", "0" * 16, "0" * 16, ""), name)
                self.assertNotIn("0", said["Uid"].split() + said["Gid"].split(), name)
            if "worker" in name:
                uids.add(said["Uid"].split()[0])
        self.assertTrue(all(2100000000 <= int(u) < 2100010000 for u in uids), uids)
        return len(processes)

    def check_kernel(self, suite, version, abi, lacks):
        parts, took = self.boot(suite)
        self.assertRegex(parts["kernel"], rf"^{re.escape(version)}\.")
        self.assertIn("landlock", parts["kernel"])
        account, = json.loads(parts["status"])["accounts"]
        self.assertEqual(account["state"], "streaming", parts["log"])
        sandbox = account["sandbox"]
        self.assertTrue(all(sandbox[k] for k in ("no_new_privs", "uid", "landlock", "seccomp")), sandbox)
        told = [w for w in account["lacks"].split(", ") if w]
        self.assertEqual(told, [f"landlock {what} (ABI {abi})" for what in lacks])
        if lacks:
            self.assertIn("the sandbox lacks: ", parts["log"], "it says so where one looks")
        count = self.check_confined(parts)
        if self.has_test:
            self.assertRegex(parts["enforced"], r"(?m)^100%: .*Failures: 0, Errors: 0$", parts["enforced"][-1500:])
            self.assertIn("\nexit 0", parts["enforced"])
        print(f"{suite}: kernel {parts['kernel'].split()[0]}, {count} processes confined, lacks {', '.join(told) or 'nothing'}"
              f"{', what is denied is denied' if self.has_test else ''}; {took:.0f} s", flush=True)

    def test_bookworm(self):
        self.check_kernel("bookworm", "6.1", 2, ["truncate", "TCP", "scopes"])

    def test_trixie(self):
        self.check_kernel("trixie", "6.12", 6, [])


if __name__ == "__main__":
    unittest.main()
