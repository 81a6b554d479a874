// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import io.scaleagent.clouddriver.protocol.EpochState.Known;
import io.scaleagent.clouddriver.protocol.EpochState.Snapshot;
import io.scaleagent.proto.v1.AccountReply;
import io.scaleagent.proto.v1.SnapshotDone;
import io.scaleagent.proto.v1.SnapshotEntry;
import io.scaleagent.proto.v1.SumsAnswer;
import io.scaleagent.proto.v1.Wants;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One run of a transaction: does the steps in their order, writes what has changed, and has the
 * replies ready for when it is committed. The store may run it again; then a new one is made.
 */
final class Commit {
  private final AccountTransaction transaction;
  private final RowWriter rows;
  private final EpochState base;
  private final List<Step> steps;
  private final Points points;
  private final List<AccountReply.Builder> replies = new ArrayList<>();
  private Map<Integer, Known> allScopes; // null while they are the base's
  private final Map<Integer, Known> changedScopes = new HashMap<>();
  private final Map<Integer, Snapshot> snapshots;
  private final Map<Integer, ScopeWork> work = new LinkedHashMap<>();
  private int entries;
  private int wanted;
  private long ghosts;

  Commit(
      AccountTransaction transaction,
      RowWriter rows,
      EpochState base,
      List<Step> steps,
      Points points) {
    this.transaction = transaction;
    this.rows = rows;
    this.base = base;
    this.steps = steps;
    this.points = points;
    this.snapshots = new HashMap<>(base.snapshots());
  }

  /** To be called once. */
  Commit run() {
    for (Step s : steps) {
      s.run(this);
    }
    flush();
    points.at("before-commit");
    return this;
  }

  /** After the commit: the epoch is as this transaction left it. */
  void publish() {
    base.become(allScopes, changedScopes, snapshots);
  }

  /** What to answer, in order; without the epoch's number. */
  List<AccountReply.Builder> replies() {
    return replies;
  }

  int entries() {
    return entries;
  }

  int wanted() {
    return wanted;
  }

  long ghosts() {
    return ghosts;
  }

  // ---- scopes ----

  void scopes(List<Step.NamedScope> named) {
    flush();
    Map<ScopeName, ScopeType> types = new LinkedHashMap<>();
    for (Step.NamedScope s : named) {
      types.put(s.type.name(), s.type);
    }
    Collection<StoredScope> outside = transaction.scopesOutside(types.keySet());
    if (!outside.isEmpty()) {
      rows.dropScopes(transaction, outside);
    }
    Map<ScopeName, Long> ids = transaction.scopes(types.values());
    Map<Integer, Known> now = new HashMap<>();
    for (Step.NamedScope s : named) {
      Known before = find(s.number);
      long id = ids.get(s.type.name());
      if (before == null) {
        now.put(s.number, base.first(id, s.type));
        takeBackStale(id, s.type.name());
      } else {
        now.put(s.number, new Known(id, s.type, before.inStep, before.resumable, before.untouched));
      }
    }
    allScopes = now;
    changedScopes.clear();
    snapshots.keySet().retainAll(now.keySet());
  }

  /**
   * A checkpoint that Welcome kept back must not come into force again later: the worker, which
   * does not know of it, may write by other settings than those that it was made under.
   */
  private void takeBackStale(long id, ScopeName name) {
    if (base.isStale(name)) {
      transaction.checkpoint(id, "", new byte[0]);
    }
  }

  private Known find(int number) {
    Known changed = changedScopes.get(number);
    if (changed != null) {
      return changed;
    }
    return allScopes != null ? allScopes.get(number) : base.scope(number);
  }

  private ScopeWork work(int number) {
    if (!work.containsKey(number)) {
      begin(keys(number));
    }
    return work.get(number);
  }

  /** Begins with scopes that have not begun yet: what is stored of these keys is read at once. */
  private void begin(Map<Integer, Set<ObjectKey>> keys) {
    Map<Long, Set<ObjectKey>> byId = new HashMap<>();
    keys.forEach((n, names) -> byId.put(find(n).id, names));
    byId.values().removeIf(Set::isEmpty);
    Map<Long, Map<ObjectKey, StoredDigest>> found =
        byId.isEmpty() ? Map.of() : transaction.digests(byId);
    keys.forEach(
        (n, names) -> {
          Known scope = find(n);
          work.put(
              n,
              new ScopeWork(
                  transaction,
                  scope.id,
                  scope.type,
                  names,
                  found.getOrDefault(scope.id, Map.of())));
        });
  }

  /** The keys that any step names, of this scope and of those others that have not begun. */
  private Map<Integer, Set<ObjectKey>> keys(int number) {
    Map<Integer, Set<ObjectKey>> keys = new LinkedHashMap<>();
    keys.put(number, new HashSet<>());
    for (Step s : steps) {
      if (s instanceof Step.Deltas) {
        for (Step.Change c : ((Step.Deltas) s).changes) {
          add(keys, c.scope, c.key);
        }
      } else if (s instanceof Step.Page) {
        Step.Page page = (Step.Page) s;
        for (SnapshotEntry e : page.entries) {
          if (!e.getDigest().isEmpty()) {
            add(keys, page.scope, new ObjectKey(e.getNamespace(), e.getName()));
          }
        }
      }
    }
    return keys;
  }

  private void add(Map<Integer, Set<ObjectKey>> keys, int number, ObjectKey key) {
    if (!work.containsKey(number) && find(number) != null) {
      keys.computeIfAbsent(number, n -> new HashSet<>()).add(key);
    }
  }

  // ---- changes ----

  void change(Step.Change c) {
    Known scope = find(c.scope);
    changedScopes.put(c.scope, scope.touched());
    if (c.digest == null) {
      work(c.scope).delete(c.key);
      return;
    }
    work(c.scope).put(c);
    Snapshot snapshot = snapshots.get(c.scope);
    if (snapshot != null) {
      snapshot.seen.add(c.key);
    }
  }

  /** Writes what has changed so far. Each scope is read anew afterwards. */
  private void flush() {
    List<RowChange> changes = new ArrayList<>();
    for (ScopeWork w : work.values()) {
      w.changes(changes);
    }
    if (!changes.isEmpty()) {
      points.at("before-row");
      List<WriteOutcome> outcomes = rows.write(transaction, changes);
      if (outcomes.size() != changes.size()) {
        throw new IllegalStateException(
            outcomes.size() + " outcomes of " + changes.size() + " changes");
      }
      points.at("after-row");
      points.at("before-digest");
      int done = 0;
      for (ScopeWork w : work.values()) {
        done += w.store(outcomes.subList(done, outcomes.size()));
      }
      points.at("after-digest");
    }
    work.clear();
  }

  // ---- comparing ----

  void sums(Step.Sums s) {
    boolean inStep = work(s.scope).inStep(s.count, s.sum);
    changedScopes.put(s.scope, find(s.scope).compared(inStep));
    replies.add(
        AccountReply.newBuilder()
            .setSums(SumsAnswer.newBuilder().setScope(s.scope).setInStep(inStep)));
  }

  void begin(Step.Begin s) {
    points.at("before-begin");
    snapshots.put(s.scope, new Snapshot(s.snapshot));
    points.at("after-begin");
  }

  void page(Step.Page s) {
    points.at("before-page");
    Snapshot snapshot = snapshots.get(s.scope);
    ScopeWork scope = work(s.scope);
    Wants.Builder wants =
        Wants.newBuilder().setScope(s.scope).setSnapshot(s.snapshot).setPage(s.page);
    for (int i = 0; i < s.entries.size(); i++) {
      SnapshotEntry e = s.entries.get(i);
      ObjectKey key = new ObjectKey(e.getNamespace(), e.getName());
      snapshot.seen.add(key);
      if (!e.getDigest().isEmpty() && !scope.holds(key, Digest.of(e.getDigest().toByteArray()))) {
        wants.addIndex(i);
      }
    }
    entries += s.entries.size();
    wanted += wants.getIndexCount();
    replies.add(AccountReply.newBuilder().setWants(wants));
    points.at("after-page");
  }

  void end(Step.End s) {
    points.at("before-end");
    Snapshot snapshot = snapshots.remove(s.scope);
    ScopeWork scope = work(s.scope);
    Set<ObjectKey> unseen = scope.keysOutside(snapshot.seen);
    scope.look(unseen);
    for (ObjectKey key : unseen) {
      scope.delete(key);
    }
    ghosts += unseen.size();
    replies.add(
        AccountReply.newBuilder()
            .setDone(
                SnapshotDone.newBuilder()
                    .setScope(s.scope)
                    .setSnapshot(s.snapshot)
                    .setComplete(true)
                    .setDeleted(unseen.size())));
    points.at("after-end");
  }

  void checkpoint(Step.Checkpoint s) {
    Known scope = find(s.scope);
    Violation.require(
        s.resourceVersion.isEmpty() || scope.mayCheckpoint(),
        "a checkpoint of %s, which is not known to be in step",
        scope.type.name());
    if (s.resourceVersion.isEmpty()) {
      changedScopes.put(s.scope, scope.takenBack());
    }
    points.at("before-checkpoint");
    transaction.checkpoint(scope.id, s.resourceVersion, s.fingerprint);
    points.at("after-checkpoint");
  }
}
