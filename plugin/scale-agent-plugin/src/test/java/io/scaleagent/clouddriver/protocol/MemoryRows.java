// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;

/** Rows that are the objects themselves, for tests. */
public final class MemoryRows implements RowWriter {
  private final MemoryDatabase db;

  volatile String settings = "a";

  /** What the writer leaves out. */
  volatile Predicate<RowChange> filtered = c -> false;

  /** What it can't store. */
  volatile Predicate<RowChange> rejected = c -> false;

  /** Thrown by the next writes, if it is not null. */
  volatile RuntimeException failure;

  final List<Lease> forgotten = new ArrayList<>();
  final Set<ScopeType> prepared = new HashSet<>();

  public MemoryRows(MemoryDatabase db) {
    this.db = db;
  }

  @Override
  public String settings(String account, AccountProperties properties) {
    return settings;
  }

  @Override
  public void prepare(String account, Collection<ScopeType> scopes) {
    synchronized (db) {
      prepared.addAll(scopes);
    }
  }

  private static String row(ScopeType scope, ObjectKey key) {
    return scope.kind() + " " + key.namespace() + "/" + key.name();
  }

  @Override
  public List<WriteOutcome> write(AccountTransaction transaction, List<RowChange> changes) {
    if (failure != null) {
      throw failure;
    }
    synchronized (db) {
      Map<String, byte[]> rows =
          db.rows.computeIfAbsent(transaction.lease().account(), n -> new TreeMap<>());
      Map<String, byte[]> before = new TreeMap<>(rows);
      transaction
          .unwrap(MemoryStore.Journal.class)
          .add(
              () -> {
                rows.clear();
                rows.putAll(before);
              });
      List<WriteOutcome> outcomes = new ArrayList<>();
      for (RowChange c : changes) {
        if (!prepared.contains(c.scope())) {
          throw new IllegalStateException(c.scope() + " was not prepared");
        }
        outcomes.add(write(rows, c));
      }
      db.rowWrites.addAndGet(changes.size());
      return outcomes;
    }
  }

  private WriteOutcome write(Map<String, byte[]> rows, RowChange c) {
    rows.remove(row(c.scope(), c.key()));
    if (c.deleted()) {
      return WriteOutcome.STORED;
    }
    if (rejected.test(c)) {
      return WriteOutcome.REJECTED;
    }
    if (filtered.test(c)) {
      return WriteOutcome.FILTERED;
    }
    byte[] object = new byte[c.object().remaining()];
    c.object().get(object);
    rows.put(row(c.scope(), c.key()), object);
    return WriteOutcome.STORED;
  }

  @Override
  public void dropScopes(AccountTransaction transaction, Collection<StoredScope> scopes) {
    synchronized (db) {
      Map<String, byte[]> rows =
          db.rows.getOrDefault(transaction.lease().account(), new TreeMap<>());
      Map<String, byte[]> before = new TreeMap<>(rows);
      transaction.unwrap(MemoryStore.Journal.class).add(() -> rows.putAll(before));
      for (StoredScope s : scopes) {
        rows.keySet()
            .removeIf(k -> k.startsWith(s.type().kind() + " " + s.type().name().namespace()));
      }
    }
  }

  @Override
  public void forget(Lease lease) {
    synchronized (forgotten) {
      forgotten.add(lease);
    }
  }
}
