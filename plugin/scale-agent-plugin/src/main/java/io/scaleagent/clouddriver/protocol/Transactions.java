// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import io.scaleagent.proto.v1.AccountReply;
import java.util.ArrayList;
import java.util.List;

/** Does the steps of an account in one transaction. */
final class Transactions {
  private final AccountStore store;
  private final RowWriter rows;
  private final ProtocolEvents events;
  private final Points points;

  Transactions(AccountStore store, RowWriter rows, ProtocolEvents events, Points points) {
    this.store = store;
    this.rows = rows;
    this.events = events;
    this.points = points;
  }

  /** What came of a transaction that is committed. */
  static final class Result {
    private final List<AccountReply.Builder> replies;
    private long used;
    private long acknowledge;
    private int deltas;
    private long oldestMicros;

    private Result(List<AccountReply.Builder> replies) {
      this.replies = replies;
    }

    List<AccountReply.Builder> replies() {
      return replies;
    }

    /** Bytes of credit of the messages that are committed by it. */
    long used() {
      return used;
    }

    /** The sequence that is committed by it; 0 if there were no deltas. */
    long acknowledge() {
      return acknowledge;
    }

    int deltas() {
      return deltas;
    }

    long oldestMicros() {
      return oldestMicros;
    }

    private void add(Step s) {
      used += s.used;
      if (s instanceof Step.Deltas) {
        Step.Deltas d = (Step.Deltas) s;
        acknowledge = d.acknowledge;
        deltas += d.changes.size();
        if (d.observedMicros > 0 && (oldestMicros == 0 || d.observedMicros < oldestMicros)) {
          oldestMicros = d.observedMicros;
        }
      }
    }
  }

  /**
   * @throws FencedException if the epoch is over
   * @throws Violation if the worker broke the protocol in what only the store could show; nothing
   *     was written
   */
  Result run(Lease lease, EpochState state, List<Step> steps) throws FencedException {
    List<ScopeType> types = new ArrayList<>();
    boolean anything = false;
    for (Step s : steps) {
      if (s instanceof Step.Scopes) {
        ((Step.Scopes) s).scopes.forEach(n -> types.add(n.type));
      }
      anything |= !(s instanceof Step.Deltas) || !((Step.Deltas) s).changes.isEmpty();
    }
    if (!types.isEmpty()) {
      rows.prepare(lease.account(), types);
    }
    Result result = anything ? transact(lease, state, steps) : new Result(List.of());
    steps.forEach(result::add);
    return result;
  }

  private Result transact(Lease lease, EpochState state, List<Step> steps) throws FencedException {
    Commit commit = store.transact(lease, t -> new Commit(t, rows, state, steps, points).run());
    commit.publish();
    if (commit.entries() > 0) {
      events.compared(lease.account(), commit.entries(), commit.wanted());
    }
    if (commit.ghosts() > 0) {
      events.swept(lease.account(), commit.ghosts());
    }
    return new Result(commit.replies());
  }
}
