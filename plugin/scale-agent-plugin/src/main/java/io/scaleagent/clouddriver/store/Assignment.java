// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import java.sql.SQLException;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.exception.DataAccessException;

/** Who keeps an account, read under its lock. */
final class Assignment {
  private static final int LOCK_WAIT_SECONDS = 1;

  final String account;
  final long epoch;
  final long replica;
  final String agentId;
  final long stream;
  final boolean kept;

  /** Whether the Clouddriver that has it is alive, by the database's clock. */
  final boolean alive;

  final long now;

  /** Somebody else has held the account's lock for too long. */
  static final class Busy extends Database.Leave {
    Busy(String account) {
      super("somebody else holds the lock of account " + account);
    }
  }

  private Assignment(Record r) {
    this.account = r.get(0, String.class);
    this.epoch = r.get(1, Long.class);
    this.replica = r.get(2, Long.class);
    this.agentId = r.get(3, String.class);
    this.stream = r.get(4, Long.class);
    this.kept = r.get(5, Integer.class) != 0;
    Long until = r.get(6, Long.class);
    this.now = r.get(7, Long.class);
    this.alive = until != null && until >= now;
  }

  /** Whether some agent has it at this moment. */
  boolean held() {
    return kept && alive;
  }

  /**
   * Takes the account's lock until the end of the transaction. It waits for a second at most.
   *
   * @throws Busy if that is not enough
   * @throws Replica.UnknownConnection if the lock must not be taken yet
   * @return null if there is no such account
   */
  static Assignment lock(DSLContext tx, Sql sql, Replica self, String account) {
    Objects.requireNonNull(account);
    Record r = read(tx, sql, account);
    if (r == null) {
      return null;
    }
    self.requireKnown(tx, r.get(8, Long.class));
    return new Assignment(r);
  }

  private static Record read(DSLContext tx, Sql sql, String account) {
    long began = System.nanoTime();
    try {
      return tx.resultQuery(
              "select a.account, a.epoch, a.replica, a.agent_id, a.stream, a.kept,"
                  + " (select r.alive_until from scale_agent_replica r where r.id = a.replica), "
                  + sql.clock()
                  + ", "
                  + sql.connectionId()
                  + " from scale_agent_assignment a where a.account = ? for update",
              account)
          .queryTimeout(LOCK_WAIT_SECONDS)
          .fetchOne();
    } catch (RuntimeException e) {
      // Pools close a connection whose statement timed out, and MySQL's driver may end in a
      // NullPointerException then: the time tells, whatever the error is.
      long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - began);
      if (seconds >= LOCK_WAIT_SECONDS || lockBusy(e)) {
        throw new Busy(account);
      }
      throw e;
    }
  }

  private static boolean lockBusy(RuntimeException e) {
    return e instanceof DataAccessException
        && Sql.lockBusy(((DataAccessException) e).getCause(SQLException.class));
  }
}
