// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One scope within one transaction: what is stored, what came since, and count and sum of both
 * together. Several changes of a key become one; one that brings back what is stored becomes none.
 */
final class ScopeWork {
  private final AccountTransaction transaction;
  private final long id;
  private final ScopeType type;
  private final String settings;
  private final Map<ObjectKey, StoredDigest> stored = new HashMap<>();
  private final Set<ObjectKey> looked = new HashSet<>();
  private final Map<ObjectKey, Step.Change> puts = new LinkedHashMap<>();
  private final Set<ObjectKey> deletes = new HashSet<>();
  private long count;
  private Digest sum;
  private long stale;

  /**
   * @param looked keys that were looked for already
   * @param found digests of those of them that are stored
   */
  ScopeWork(
      AccountTransaction transaction,
      long id,
      ScopeType type,
      Set<ObjectKey> looked,
      Map<ObjectKey, StoredDigest> found) {
    this.transaction = transaction;
    this.id = id;
    this.type = type;
    this.settings = transaction.lease().settings();
    ScopeTotals totals = transaction.totals(id);
    count = totals.count();
    sum = totals.sum();
    stale = totals.stale();
    this.looked.addAll(looked);
    stored.putAll(found);
  }

  /** Reads the digests of keys that are about to be asked for, at once. */
  void look(Collection<ObjectKey> keys) {
    Set<ObjectKey> missing = new HashSet<>();
    for (ObjectKey k : keys) {
      if (looked.add(k)) {
        missing.add(k);
      }
    }
    if (!missing.isEmpty()) {
      stored.putAll(transaction.digests(id, missing));
    }
  }

  private StoredDigest stored(ObjectKey key) {
    if (!looked.contains(key)) {
      look(List.of(key));
    }
    return stored.get(key);
  }

  private boolean isStale(StoredDigest d) {
    return !d.settings().equals(settings);
  }

  /** Whether exactly this is there, as of now. */
  boolean holds(ObjectKey key, Digest digest) {
    Step.Change put = puts.get(key);
    if (put != null) {
      return put.digest.equals(digest);
    }
    StoredDigest d = deletes.contains(key) ? null : stored(key);
    return d != null && !isStale(d) && d.digest().equals(digest);
  }

  void put(Step.Change change) {
    if (holds(change.key, change.digest)) {
      return;
    }
    forget(change.key);
    count++;
    sum = sum.plus(change.digest);
    StoredDigest before = stored(change.key);
    if (before == null || isStale(before) || !before.digest().equals(change.digest)) {
      puts.put(change.key, change);
    }
  }

  /** Does nothing if the key is not there. */
  void delete(ObjectKey key) {
    forget(key);
    if (stored(key) != null) {
      deletes.add(key);
    }
  }

  /** Takes what is there of the key, if anything, out of count and sum, and the changes. */
  private void forget(ObjectKey key) {
    Step.Change put = puts.remove(key);
    boolean deleted = deletes.remove(key);
    StoredDigest d = put != null || deleted ? null : stored(key);
    Digest digest = put != null ? put.digest : d == null ? null : d.digest();
    if (digest == null) {
      return;
    }
    count--;
    sum = sum.minus(digest);
    if (d != null && isStale(d)) {
      stale--;
    }
  }

  /** Every key that is there, as of now, outside of these. */
  Set<ObjectKey> keysOutside(Set<ObjectKey> seen) {
    Set<ObjectKey> outside = new HashSet<>();
    transaction.forEachKey(
        id,
        key -> {
          if (!seen.contains(key) && !deletes.contains(key)) {
            outside.add(key);
          }
        });
    for (ObjectKey key : puts.keySet()) {
      if (!seen.contains(key)) {
        outside.add(key);
      }
    }
    return outside;
  }

  boolean inStep(long claimedCount, Digest claimedSum) {
    return stale == 0 && count == claimedCount && sum.equals(claimedSum);
  }

  /** Appends what {@link RowWriter} has to do, deletes after puts. */
  void changes(List<RowChange> rows) {
    for (Step.Change c : puts.values()) {
      rows.add(RowChange.put(type, c.key, c.object.asReadOnlyByteBuffer()));
    }
    for (ObjectKey key : deletes) {
      rows.add(RowChange.delete(type, key));
    }
  }

  /**
   * Writes digests and totals.
   *
   * @param outcomes of the changes, from the first of this scope on
   * @return how many of them were this scope's
   */
  int store(List<WriteOutcome> outcomes) {
    Map<ObjectKey, StoredDigest> written = new LinkedHashMap<>();
    int i = 0;
    for (Step.Change c : puts.values()) {
      written.put(c.key, new StoredDigest(c.digest, settings, outcomes.get(i++)));
    }
    if (!written.isEmpty() || !deletes.isEmpty()) {
      transaction.update(id, written, deletes, new ScopeTotals(count, sum, stale));
    }
    return i + deletes.size();
  }
}
