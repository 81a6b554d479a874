# SPDX-License-Identifier: Apache-2.0
"""What Clouddriver's REST answers of an account, in a form in which two accounts of one cluster can be compared."""
import json
import urllib.parse

import rows

OF_APPLICATION = ("/clusters/{}", "/serverGroups?account={}", "/serverGroupManagers?account={}", "/loadBalancers?account={}")


def quoted(path, **parts):
    return path.format(**{k: urllib.parse.quote(v, safe="") for k, v in parts.items()})


def answer(clouddriver, path, account):
    """(status, body) with the account's name as another's would be, without what is of others, lists in an order."""
    status, body = clouddriver.ask("GET", path.format(account))
    return status, ordered(json.loads(rows.neutral(json.dumps(of_account(body, account)), account)))


def of_account(value, account):
    """Without list items and results that name another account."""
    if isinstance(value, list):
        return [of_account(v, account) for v in value
                if not isinstance(v, dict) or v.get("account", account) == account]
    if isinstance(value, dict):
        return {k: of_account(v, account) for k, v in value.items() if k not in ("resourceVersion", "totalMatches")}
    return value


def ordered(value):
    if isinstance(value, list):
        return sorted((ordered(v) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
    if isinstance(value, dict):
        return {k: ordered(v) for k, v in value.items()}
    return value


def applications(clouddriver, account):
    """{application: [cluster]} of an account."""
    return {a["name"]: sorted(a["clusterNames"][account])
            for a in clouddriver.get("/applications?expand=true") if account in a.get("clusterNames", {})}


def everything(clouddriver, account):
    """{path: answer} of every application and cluster of the account."""
    found = {"applications": applications(clouddriver, account)}
    paths = ["/securityGroups/{}"]
    for app, clusters in found["applications"].items():
        of_app = quoted("/applications/{app}", app=app).replace("{", "{{").replace("}", "}}")
        paths += [of_app + path for path in OF_APPLICATION]
        paths += [of_app + "/clusters/{}/" + quoted("{c}", c=c) + "/kubernetes/serverGroups" for c in clusters]
    for path in paths:
        found[path] = answer(clouddriver, path, account)
    return found


def differences(clouddriver, stock, streamed):
    a, b = everything(clouddriver, stock), everything(clouddriver, streamed)
    return [d for path in sorted(set(a) | set(b)) for d in rows.paths(a.get(path), b.get(path), path)]
