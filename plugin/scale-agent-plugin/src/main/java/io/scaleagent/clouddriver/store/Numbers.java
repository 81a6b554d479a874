// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import java.util.Objects;

/**
 * Numbers that grow for ever over all Clouddrivers: epochs, streams, Clouddrivers, scopes. Shared
 * by threads.
 */
final class Numbers {
  private static final int RESERVE = 1000;

  private final Database database;
  private long next;
  private long end;

  Numbers(Database database) {
    this.database = Objects.requireNonNull(database);
  }

  /** A number greater than any that was ever drawn before, anywhere. Committed. */
  long draw() {
    return draw(1);
  }

  /**
   * A number that is nobody else's, without asking the database each time: its order says nothing.
   * Not to be called within a transaction.
   */
  synchronized void reserve() {
    if (end - next < RESERVE) {
      long last = draw(2 * RESERVE);
      next = last - 2 * RESERVE + 1;
      end = last + 1;
    }
  }

  /**
   * One of those that were reserved.
   *
   * @throws IllegalStateException if so many were taken since {@link #reserve}
   */
  synchronized long reserved() {
    if (next == end) {
      throw new IllegalStateException("more than " + RESERVE + " scopes in one transaction");
    }
    return next++;
  }

  private long draw(int count) {
    return database.transact(
        "drawing a number",
        tx -> {
          tx.execute(
              "update scale_agent_counter set value = value + ? where name = 'number'", count);
          return tx.fetchOne("select value from scale_agent_counter where name = 'number'")
              .get(0, Long.class);
        });
  }
}
