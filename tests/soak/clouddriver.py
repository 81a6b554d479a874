# SPDX-License-Identifier: Apache-2.0
"""Clouddrivers, their database and their agents are killed under load; the rows become those of stock polling. See
scripts/soak."""
import argparse
import sys
import time

from clouddriver_faults import Faults
from clouddriver_watch import Audit, Watch
from clouddriver_world import ACCOUNTS, MOVED, STOCK, World, rows, views
from rig.harness import paths
from rig.harness.agent import write_account
from rig.harness.clouddriver import cache_reads
from rig.harness.procs import wait_for

LONGEST_GAP = 5.0
POLLED = {"KubernetesCoreCachingAgent"}
STREAMED = {"ManagedCachingAgent"}


def quiet(world, seconds=90):
    """The load rests; what differs between the rows and the cluster after so long at most."""
    world.load.pause()
    began = time.monotonic()
    left = world.converge(seconds)
    print(f"quiet: {len(world.expected())} objects, {len(left)} differences after {time.monotonic() - began:.0f} s", flush=True)
    for line in left[:20]:
        print("  " + line)
    return left


def chaos(world, args):
    """(faults, differences, problems, longest gap)"""
    audit = Audit(world.db)
    watch = Watch(world).start()
    faults = Faults(world, watch, audit, args.seed)
    plan = faults.plan(args.short)
    left = []
    try:
        time.sleep(1)
        watch.accounts.update(ACCOUNTS)
        world.load.start()
        end = time.monotonic() + 60 * args.minutes
        for n, (fault, argument) in enumerate(plan):
            if time.monotonic() > end:
                print(f"{len(plan) - n} faults are left out: {args.minutes} minutes are over", flush=True)
                break
            faults.run(fault, argument)
            if n % 16 == 15:
                left += quiet(world)
                world.load.start()
        while faults.kills < args.kills:
            faults.run(faults.kill_starting, None)
        for replica in world.clouddrivers:
            faults.serve_other(replica)
        left += quiet(world)
    finally:
        watch.stop()
    problems = faults.missing(plan) + audit.problems(world.names())
    print(f"commits: {audit.commits()}; load: {world.load.done}")
    faults.report()
    for gap, account, what in sorted(watch.gaps, reverse=True)[:5]:
        print(f"  {account} without a cacher for {gap:.1f} s, at {what}")
    return faults, left, problems, watch.longest


def own(world, *names):
    """Accounts of Clouddriver's own configuration, polled by kubectl over the same cluster."""
    kubectl = world.dir / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nexec {world.cluster.binary} kubectl "$@"\n')
    kubectl.chmod(0o755)
    return [{"name": n, "kubeconfigFile": str(world.cluster.kubeconfig), "kubectlExecutable": str(kubectl)} for n in names]


def until_same(what, check, seconds=120):
    """What check says differs, after so many seconds at most."""
    said = ["nothing was compared"]

    def same():
        said[:] = check()
        return not said
    try:
        wait_for(what, same, seconds, 1)
    except TimeoutError:
        print(f"{what} differ:")
        for line in said[:20]:
            print("  " + line)
    return list(said)


def as_polled(world, streamed):
    """The account's rows, what ProviderCache reads of them and what REST answers, against those of stock polling."""
    one = world.clouddrivers[0]

    def of_rows():
        stock = rows.of(world.db, STOCK)
        return rows.differences(stock, rows.of(world.db, streamed)) if stock[0] else ["stock has no rows"]
    left = until_same(f"rows of {streamed}", of_rows)
    left += until_same(f"reads of {streamed}", lambda: cache_reads(world.db, STOCK, streamed)[1], 60)
    left += until_same(f"answers of {streamed}", lambda: views.differences(one, STOCK, streamed), 60)
    print(f"{streamed}: {len(left)} differences to polling", flush=True)
    return left


def handed_over(world):
    """From polling to the agents and back, both Clouddrivers running, under load."""
    problems = []

    def moved(what, agents):
        try:
            wait_for(what, lambda: set(rows.by_agent(world.db, MOVED)) == agents, 240, 2)
            time.sleep(8)  # two polls
            if set(rows.by_agent(world.db, MOVED)) != agents:
                problems.append(f"{what}: other rows came again")
        except TimeoutError as e:
            problems.append(f"{e}: {rows.by_agent(world.db, MOVED)}")
    world.load.start()
    moved("rows of polling", POLLED)
    file = write_account(world.accounts, MOVED, world.cluster.kubeconfig)
    moved("rows of the agents alone", STREAMED)
    world.load.pause()
    left = as_polled(world, MOVED)
    world.load.start()
    file.unlink()
    moved("rows of polling alone", POLLED)
    world.load.pause()
    left += as_polled(world, MOVED)
    return left, problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few kills instead of 50 and each named point")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--minutes", type=float, default=60, help="how long faults go on at most")
    parser.add_argument("--rate", type=float, default=10, help="operations a second in the cluster")
    args = parser.parse_args()
    args.kills = args.kills or (4 if args.short else 50)
    print(f"seed {args.seed}", flush=True)
    scratch = paths.Scratch("clouddriver")
    world = World(scratch.path, args.seed, args.rate)
    try:
        world.start()
        faults, left, problems, longest = chaos(world, args)
        for replica in world.clouddrivers:
            replica.stop()
            replica.own_accounts(own(world, STOCK, MOVED))
        for replica in world.clouddrivers[:1] if args.short else world.clouddrivers:
            replica.start()
        for account in ACCOUNTS[:1] if args.short else ACCOUNTS:
            left += as_polled(world, account)
        if not args.short:
            differing, lasting = handed_over(world)
            left += differing
            problems += lasting
    finally:
        world.close()
        scratch.close()
    for p in problems:
        print("FAILED: " + p)
    print(f"kills={faults.kills} differences={len(left)} longest_gap_s={longest:.1f}")
    sys.exit(1 if left or problems or faults.kills < args.kills or longest > LONGEST_GAP else 0)


if __name__ == "__main__":
    main()
