// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import com.google.protobuf.ByteString;
import io.scaleagent.proto.v1.SnapshotEntry;
import java.util.List;

/**
 * Something that came of an account and waits for its transaction, in the order in which it came.
 * {@link Epoch} makes it from a message, once it has checked all that can be checked without the
 * store; {@link Commit} does it.
 */
abstract class Step {
  /** Bytes of credit that the message used, on its last step; 0 for what needs none. */
  final long used;

  Step(long used) {
    this.used = used;
  }

  /** Longest that it may wait for others. */
  enum Urgency {
    NOW,
    GATHER,
    LATER
  }

  Urgency urgency() {
    return Urgency.NOW;
  }

  abstract void run(Commit commit);

  static final class Scopes extends Step {
    final List<NamedScope> scopes;

    Scopes(List<NamedScope> scopes) {
      super(0);
      this.scopes = scopes;
    }

    @Override
    void run(Commit commit) {
      commit.scopes(scopes);
    }
  }

  /** A scope by its number in the epoch. */
  static final class NamedScope {
    final int number;
    final ScopeType type;

    NamedScope(int number, ScopeType type) {
      this.number = number;
      this.type = type;
    }
  }

  /**
   * A message of deltas: the changes that it completed, and what may be acknowledged once it is
   * committed.
   */
  static final class Deltas extends Step {
    final List<Change> changes;
    final long acknowledge;
    final long observedMicros;

    Deltas(List<Change> changes, long acknowledge, long observedMicros, long used) {
      super(used);
      this.changes = changes;
      this.acknowledge = acknowledge;
      this.observedMicros = observedMicros;
    }

    @Override
    Urgency urgency() {
      return Urgency.GATHER;
    }

    @Override
    void run(Commit commit) {
      for (Change c : changes) {
        commit.change(c);
      }
    }
  }

  /** One object that changed; digest and object are null if it is gone. */
  static final class Change {
    final int scope;
    final ObjectKey key;
    final Digest digest;
    final ByteString object;

    Change(int scope, ObjectKey key, Digest digest, ByteString object) {
      this.scope = scope;
      this.key = key;
      this.digest = digest;
      this.object = object;
    }
  }

  static final class Sums extends Step {
    final int scope;
    final long count;
    final Digest sum;

    Sums(int scope, long count, Digest sum) {
      super(0);
      this.scope = scope;
      this.count = count;
      this.sum = sum;
    }

    @Override
    void run(Commit commit) {
      commit.sums(this);
    }
  }

  static final class Begin extends Step {
    final int scope;
    final int snapshot;

    Begin(int scope, int snapshot) {
      super(0);
      this.scope = scope;
      this.snapshot = snapshot;
    }

    @Override
    void run(Commit commit) {
      commit.begin(this);
    }
  }

  static final class Page extends Step {
    final int scope;
    final int snapshot;
    final int page;
    final List<SnapshotEntry> entries;

    Page(int scope, int snapshot, int page, List<SnapshotEntry> entries, long used) {
      super(used);
      this.scope = scope;
      this.snapshot = snapshot;
      this.page = page;
      this.entries = entries;
    }

    @Override
    void run(Commit commit) {
      commit.page(this);
    }
  }

  static final class End extends Step {
    final int scope;
    final int snapshot;

    End(int scope, int snapshot) {
      super(0);
      this.scope = scope;
      this.snapshot = snapshot;
    }

    @Override
    void run(Commit commit) {
      commit.end(this);
    }
  }

  static final class Checkpoint extends Step {
    final int scope;
    final String resourceVersion;
    final byte[] fingerprint;

    Checkpoint(int scope, String resourceVersion, byte[] fingerprint) {
      super(0);
      this.scope = scope;
      this.resourceVersion = resourceVersion;
      this.fingerprint = fingerprint;
    }

    /** To take one back is not to wait. */
    @Override
    Urgency urgency() {
      return resourceVersion.isEmpty() ? Urgency.NOW : Urgency.LATER;
    }

    @Override
    void run(Commit commit) {
      commit.checkpoint(this);
    }
  }
}
