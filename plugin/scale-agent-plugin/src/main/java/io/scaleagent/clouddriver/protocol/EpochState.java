// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * What an epoch has committed and the next transaction builds on: the store's ids of its scopes,
 * which of them are known to be in step, snapshots that are under way. Used by the account's writer
 * alone; a {@link Commit} changes a copy, and {@link #become} takes that over when it is committed.
 */
final class EpochState {
  /** A scope of the epoch. Immutable. */
  static final class Known {
    final long id;
    final ScopeType type;

    /** In step by SumsAnswer. */
    final boolean inStep;

    /** It has a checkpoint from Welcome to go on from, which was not taken back. */
    final boolean resumable;

    /** Nothing of it was sent: the worker may have compared with Welcome by itself. */
    final boolean untouched;

    Known(long id, ScopeType type, boolean inStep, boolean resumable, boolean untouched) {
      this.id = id;
      this.type = type;
      this.inStep = inStep;
      this.resumable = resumable;
      this.untouched = untouched;
    }

    Known compared(boolean equal) {
      return new Known(id, type, equal, resumable && equal, untouched);
    }

    Known takenBack() {
      return new Known(id, type, inStep, false, untouched);
    }

    Known touched() {
      return untouched ? new Known(id, type, inStep, resumable, false) : this;
    }

    boolean mayCheckpoint() {
      return inStep || resumable || untouched;
    }
  }

  /** A snapshot between begin and end. Names are only added: to add them twice does no harm. */
  static final class Snapshot {
    final int number;
    final Set<ObjectKey> seen = new HashSet<>();

    Snapshot(int number) {
      this.number = number;
    }
  }

  /** Names of scopes for which Welcome gave a checkpoint. */
  private final Set<ScopeName> resumable;

  /** Names of scopes whose checkpoint Welcome kept back, since what is stored of them is stale. */
  private final Set<ScopeName> stale;

  private Map<Integer, Known> scopes = new HashMap<>();
  private Map<Integer, Snapshot> snapshots = new HashMap<>();

  /**
   * @param stored as Welcome was made from it
   */
  EpochState(Collection<StoredScope> stored) {
    resumable = new HashSet<>();
    stale = new HashSet<>();
    for (StoredScope s : stored) {
      if (!s.resourceVersion().isEmpty()) {
        (s.totals().stale() == 0 ? resumable : stale).add(s.type().name());
      }
    }
  }

  /** A scope that is named for the first time in the epoch. */
  Known first(long id, ScopeType type) {
    return new Known(id, type, false, resumable.contains(type.name()), !isStale(type.name()));
  }

  boolean isStale(ScopeName name) {
    return stale.contains(name);
  }

  Known scope(int number) {
    return scopes.get(number);
  }

  Map<Integer, Snapshot> snapshots() {
    return snapshots;
  }

  /**
   * @param all the scopes that there are now, or null if they are the same ones
   * @param changed those among them that are not as before
   */
  void become(Map<Integer, Known> all, Map<Integer, Known> changed, Map<Integer, Snapshot> now) {
    if (all != null) {
      scopes = all;
    }
    scopes.putAll(changed);
    snapshots = now;
  }
}
