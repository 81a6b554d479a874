// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** An epoch of an account without a stream: what is given to it is committed at once. */
public final class DirectEpoch {
  private final Lease lease;
  private final List<ScopeType> scopes;
  private final EpochState state;
  private final Transactions transactions;

  /** Begins with these scopes. */
  public DirectEpoch(AccountStore store, RowWriter rows, Opening opening, List<ScopeType> scopes)
      throws FencedException {
    this.lease = opening.lease();
    this.scopes = scopes;
    this.state = new EpochState(opening.scopes());
    this.transactions = new Transactions(store, rows, ProtocolEvents.NONE, Points.NONE);
    List<Step.NamedScope> named = new ArrayList<>();
    for (int i = 0; i < scopes.size(); i++) {
      named.add(new Step.NamedScope(i, scopes.get(i)));
    }
    transactions.run(lease, state, List.of(new Step.Scopes(named)));
  }

  /** Changes that wait until they are committed together. */
  public final class Batch {
    private final List<Step.Change> changes = new ArrayList<>();

    public Batch put(ScopeType scope, ObjectKey key, ByteBuffer object) {
      ByteString bytes = ByteString.copyFrom(object.duplicate());
      byte[] digest = new byte[16];
      new Random(bytes.hashCode()).nextBytes(digest);
      return add(scope, key, Digest.of(digest), bytes);
    }

    public Batch delete(ScopeType scope, ObjectKey key) {
      return add(scope, key, null, null);
    }

    private Batch add(ScopeType scope, ObjectKey key, Digest digest, ByteString object) {
      changes.add(new Step.Change(scopes.indexOf(scope), key, digest, object));
      return this;
    }

    public void commit() throws FencedException {
      transactions.run(lease, state, List.of(new Step.Deltas(changes, 1, 0, 0)));
    }
  }

  public Batch batch() {
    return new Batch();
  }

  /** A checkpoint of each scope of which nothing was sent, in one transaction. */
  public void checkpoints() throws FencedException {
    List<Step> steps = new ArrayList<>();
    for (int i = 0; i < scopes.size(); i++) {
      if (state.scope(i).mayCheckpoint()) {
        steps.add(new Step.Checkpoint(i, "7", new byte[] {1}));
      }
    }
    transactions.run(lease, state, steps);
  }
}
