# SPDX-License-Identifier: Apache-2.0
"""The messages of proto/scale_agent.proto: their Python form is made by protoc when it is needed."""
import importlib
import pathlib
import subprocess
import sys
import tempfile

PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto"

with tempfile.TemporaryDirectory() as _out:
    subprocess.run(["protoc", f"-I{PROTO}", f"--python_out={_out}", "scale_agent.proto"], check=True)
    sys.path.insert(0, _out)
    pb = importlib.import_module("scale_agent_pb2")
    sys.path.remove(_out)

SERVICE = "scaleagent.v1.ScaleAgent"
PROTOCOL = 1
MESSAGE_MAX = 256 * 1024  # bytes of an AccountMessage
SCOPES_MAX = 20000  # of an account
