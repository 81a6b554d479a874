// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import io.scaleagent.clouddriver.protocol.StoreUnavailableException;
import java.sql.SQLException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Function;
import javax.sql.DataSource;
import org.jooq.ConnectionProvider;
import org.jooq.DSLContext;
import org.jooq.conf.SettingsTools;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.jooq.impl.DataSourceConnectionProvider;
import org.jooq.impl.DefaultTransactionProvider;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Clouddriver's database, as transactions that are run again when the database asks for it. Shared
 * by threads.
 */
public final class Database implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Database.class);
  private static final int ATTEMPTS = 6;
  private static final int FIRST_PAUSE_MS = 10;

  /** Leaves a transaction on purpose. It is rolled back, and not run again here. */
  abstract static class Leave extends RuntimeException {
    Leave(String message) {
      super(message, null, false, false);
    }
  }

  private final DSLContext dsl; // for statements that stand alone
  private final DSLContext transactions;
  private final Sql sql;

  /** Whether each transaction has to ask for READ COMMITTED. */
  private final boolean readCommitted;

  private final Connections own; // null if they are Clouddriver's

  /** With Clouddriver's connections. */
  public Database(DSLContext dsl) {
    this.dsl = DSL.using(DriversError.keptBy(dsl.configuration()));
    this.transactions = this.dsl;
    this.sql = Sql.of(dsl);
    this.readCommitted = sql == Sql.MYSQL && rowsInBinaryLog(dsl);
    this.own = null;
  }

  /**
   * With connections of its own, like those in Clouddriver's pool; with Clouddriver's, if its pool
   * can't be copied.
   *
   * @param dsl of Clouddriver's default pool
   * @param clouddrivers that pool
   * @param most transactions at once
   */
  public Database(DSLContext dsl, DataSource clouddrivers, int most) {
    this.sql = Sql.of(dsl);
    boolean spareGaps = sql == Sql.POSTGRES || rowsInBinaryLog(dsl);
    this.own =
        Connections.like(clouddrivers, spareGaps ? "TRANSACTION_READ_COMMITTED" : null, most);
    this.readCommitted = own == null && sql == Sql.MYSQL && spareGaps;
    if (own == null) {
      log.info(
          "Clouddriver's pool of connections is {}: it is used as it is",
          clouddrivers.getClass().getName());
      this.dsl = DSL.using(DriversError.keptBy(dsl.configuration()));
      this.transactions = this.dsl;
    } else {
      this.dsl = over(dsl, own.statements());
      this.transactions = over(dsl, own.transactions());
    }
  }

  /** MySQL 8 warns at each VALUES() that a newer form is liked better; nobody asks for that. */
  private static DSLContext over(DSLContext dsl, DataSource pool) {
    ConnectionProvider connections = new DataSourceConnectionProvider(pool);
    return DSL.using(
        DriversError.keptBy(dsl.configuration())
            .derive(SettingsTools.clone(dsl.settings()).withFetchWarnings(false))
            .derive(connections)
            .derive(new DefaultTransactionProvider(connections, false)));
  }

  @Override
  public void close() {
    if (own != null) {
      own.close();
    }
  }

  public Sql sql() {
    return sql;
  }

  /** For statements that stand alone. */
  public DSLContext dsl() {
    return dsl;
  }

  /**
   * Runs work in a transaction, again from its start if that may help.
   *
   * @param what is being done, for people
   * @throws StoreUnavailableException if the database can't or will not
   */
  public <T> T transact(String what, Function<DSLContext, T> work) {
    for (int attempt = 1; ; attempt++) {
      try {
        return transactions.transactionResult(
            c -> {
              DSLContext tx = DSL.using(c);
              if (readCommitted) {
                tx.execute("set transaction isolation level read committed");
              }
              return work.apply(tx);
            });
      } catch (Leave e) {
        // Even where the rollback failed: pools close a connection whose statement timed out.
        throw e;
      } catch (RuntimeException e) {
        pauseOrGiveUp(what, e, attempt);
      }
    }
  }

  /** The same for one statement or several without a transaction. */
  public <T> T run(String what, Function<DSLContext, T> work) {
    for (int attempt = 1; ; attempt++) {
      try {
        return work.apply(dsl);
      } catch (RuntimeException e) {
        pauseOrGiveUp(what, e, attempt);
      }
    }
  }

  /** Milliseconds since 1970 by the database's clock. */
  public long now() {
    return run("reading the clock", d -> d.fetchOne("select " + sql.clock()).get(0, Long.class));
  }

  private static void pauseOrGiveUp(String what, RuntimeException e, int attempt) {
    SQLException cause = sqlCause(e);
    boolean broken = rollbackFailed(e);
    if (cause == null && !broken && !(e instanceof DataAccessException)) {
      throw e;
    }
    boolean passing = broken || (cause != null && Sql.passing(cause));
    if (!passing || attempt == ATTEMPTS) {
      throw new StoreUnavailableException(
          what + ": " + (cause == null ? e : cause).getMessage(), e);
    }
    log.debug("{}: attempt {} failed, trying again", what, attempt, e);
    int pause = FIRST_PAUSE_MS << attempt;
    try {
      Thread.sleep(ThreadLocalRandom.current().nextInt(pause / 2, pause));
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new StoreUnavailableException(what + ": interrupted", e);
    }
  }

  /**
   * Whether not even rolling back was possible: the connection is gone, whatever the error was.
   * MySQL's driver ends in a NullPointerException at times when its connection is killed.
   */
  private static boolean rollbackFailed(Throwable e) {
    for (Throwable t : e.getSuppressed()) {
      if (t instanceof DataAccessException) {
        return true;
      }
    }
    return false;
  }

  /** The first error of the driver among the causes; null if there is none. */
  private static SQLException sqlCause(Throwable e) {
    for (Throwable t = e; t != null; t = t.getCause()) {
      if (t instanceof SQLException) {
        return (SQLException) t;
      }
    }
    return null;
  }

  /**
   * READ COMMITTED spares the gap locks by which neighbours in an index run into deadlocks; MySQL
   * refuses it where the binary log is one of statements.
   */
  private static boolean rowsInBinaryLog(DSLContext dsl) {
    return dsl.fetchOne("select @@log_bin = 0 or @@binlog_format <> 'STATEMENT'")
        .get(0, Boolean.class);
  }
}
