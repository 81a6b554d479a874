# SPDX-License-Identifier: Apache-2.0
"""Rows of Clouddriver's cache, straight from its tables, in a form in which two accounts can be compared."""
import json

# Kinds that the plugin caches by default and stock polling does not.
AGENTS_ONLY = {"namespace", "customResourceDefinition"}


def tables(db):
    """{type: table} of the objects' tables."""
    found = {}
    for (name,) in db.sql("SHOW TABLES LIKE 'cats\\_v1\\_%'"):
        kind = name[len("cats_v1_"):]
        if not name.endswith("_rel") and not name.endswith("_template"):
            found[kind] = name
    return found


def neutral(text, account):
    """With the account's name as another's would have it, where it stands by itself."""
    return text.replace(f":{account}:", ":ACCOUNT:").replace(f'"{account}"', '"ACCOUNT"').replace(f"{account}/", "ACCOUNT/")


def comparable(body):
    """A body without what may differ: resourceVersion and managedFields (which agents do not send), a Secret's
    last-applied annotation, the order of relationships, which are sets, and when polling would have the logical rows
    expire (an hour after each poll; no code of Clouddriver reads it of them)."""
    attributes = body.get("attributes", {})
    attributes.pop("cacheExpiry", None)
    manifest = attributes.get("manifest")
    if manifest:
        manifest["metadata"].pop("resourceVersion", None)
        manifest["metadata"].pop("managedFields", None)
        if manifest["kind"] == "Secret":
            manifest["metadata"].get("annotations", {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    for ids in body.get("relationships", {}).values():
        ids.sort()
    return body


def of(db, account):
    """({(type, id): body}, {(type, id, rel_type, rel_id)}): all that the account's caching agents have written."""
    objects, relations = {}, set()
    for kind, table in tables(db).items():
        pattern = account.replace("_", "\\_") + "/%"
        for ident, application, body in db.sql(
                f"SELECT id, COALESCE(application, ''), body FROM {table} WHERE agent LIKE '{pattern}'"):
            objects[(kind, neutral(ident, account))] = (
                application, comparable(json.loads(neutral(body, account))))
        for ident, rel_type, rel in db.sql(
                f"SELECT id, rel_type, rel_id FROM {table}_rel WHERE rel_agent LIKE '{pattern}'"):
            relations.add((kind, neutral(ident, account), rel_type, neutral(rel, account)))
    return objects, relations


def differences(stock, streamed, most=30):
    """What differs, as texts; rows of AGENTS_ONLY apart."""
    said = []
    for key in sorted(set(stock[0]) | set(streamed[0])):
        if key[0] in AGENTS_ONLY:
            continue
        a, b = stock[0].get(key), streamed[0].get(key)
        if a is None or b is None:
            said.append(f"{key}: only in {'stock' if b is None else 'the agent’s'} rows")
        elif a != b:
            said.extend(f"{key}: {d}" for d in paths(a, b))
    for relation in sorted(stock[1] ^ streamed[1]):
        if not AGENTS_ONLY & {relation[0], relation[2].split(":")[0]}:
            said.append(f"{relation}: a relationship only in {'stock' if relation in stock[1] else 'the agent’s'} rows")
    return said[:most] + ([f"... {len(said) - most} more"] if len(said) > most else [])


def paths(a, b, at=""):
    if isinstance(a, dict) and isinstance(b, dict):
        return [d for k in sorted(set(a) | set(b)) for d in paths(a.get(k), b.get(k), f"{at}.{k}")]
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b)) for d in paths(x, y, f"{at}[{i}]")]
    return [] if a == b else [f"{at}: stock {json.dumps(a)[:200]}, the agent's {json.dumps(b)[:200]}"]


def by_agent(db, account):
    """{caching agent: rows} of an account."""
    found = {}
    for table in tables(db).values():
        for agent, n in db.sql(f"SELECT agent, COUNT(*) FROM {table} WHERE agent LIKE '{account}/%' GROUP BY agent"):
            name = agent.split("/", 1)[1].split("[")[0]
            found[name] = found.get(name, 0) + int(n)
    return found


def stamps(db, account):
    """{(type, id): when it was written last}"""
    return {(kind, ident): stamp for kind, table in tables(db).items()
            for ident, stamp in db.sql(f"SELECT id, last_updated FROM {table} WHERE agent LIKE '{account}/%'")}
