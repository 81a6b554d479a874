# SPDX-License-Identifier: Apache-2.0
"""Whether a peer holds what simulated clusters hold."""
import time


def missing(sim, peer, seconds):
    """Waits until every object of every cluster is at the peer in its present version; what differs else."""
    end = time.monotonic() + seconds
    expected = {(account, *key): version for account, objects in sim.state().items() for key, version in objects.items()}
    while True:
        rows = peer.rows()
        got = {(k[0], o["kind"], k[3], k[4]): o["metadata"]["resourceVersion"] for k, o in rows.items()}
        wrong = [k for k in expected.keys() | got.keys() if expected.get(k) != got.get(k)]
        if not wrong or time.monotonic() > end:
            return [f"{k}: {got.get(k)}, in the cluster {expected.get(k)}" for k in sorted(wrong)]
        time.sleep(0.5)
