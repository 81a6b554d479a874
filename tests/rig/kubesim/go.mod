module scale-agent/tests/rig/kubesim

go 1.19
