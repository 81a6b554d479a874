// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.SQLException;
import java.util.Objects;
import javax.sql.DataSource;

/**
 * The plugin's own connections to Clouddriver's database. Clouddriver sets the isolation of a
 * connection whenever it takes it out of its pool and sets it back afterwards, and a transaction
 * turns autocommit off and on: more statements than most transactions have to say. These are made
 * once as they are needed. Shared by threads.
 */
public final class Connections implements AutoCloseable {
  private static final int STANDING_ALONE = 10;

  private final HikariDataSource statements;
  private final HikariDataSource transactions;

  private Connections(HikariDataSource statements, HikariDataSource transactions) {
    this.statements = Objects.requireNonNull(statements);
    this.transactions = Objects.requireNonNull(transactions);
  }

  /**
   * Connects as Clouddriver does: the same server, user, driver and timeouts.
   *
   * @param clouddrivers its pool
   * @param isolation name of a level in java.sql.Connection; null leaves the server's
   * @param most transactions at once; as many as Clouddriver's own pool has, if that is less
   * @return null if its pool is of a kind that can't be copied
   */
  static Connections like(DataSource clouddrivers, String isolation, int most) {
    HikariDataSource model;
    try {
      if (!clouddrivers.isWrapperFor(HikariDataSource.class)) {
        return null;
      }
      model = clouddrivers.unwrap(HikariDataSource.class);
    } catch (SQLException e) {
      return null;
    }
    HikariDataSource statements = null;
    try {
      statements = pool(model, "scale-agent", isolation, true, STANDING_ALONE);
      return new Connections(
          statements, pool(model, "scale-agent-writers", isolation, false, most));
    } catch (RuntimeException e) {
      if (statements != null) {
        statements.close();
      }
      throw e;
    }
  }

  private static HikariDataSource pool(
      HikariDataSource model, String name, String isolation, boolean autoCommit, int most) {
    HikariConfig config = new HikariConfig();
    model.copyStateTo(config);
    config.setJdbcUrl(knowingItsSession(model.getJdbcUrl()));
    config.setPoolName(name);
    config.setAutoCommit(autoCommit);
    if (isolation != null) {
      config.setTransactionIsolation(isolation);
    }
    config.setMinimumIdle(0);
    config.setMaximumPoolSize(Math.max(1, Math.min(most, model.getMaximumPoolSize())));
    return new HikariDataSource(config);
  }

  /**
   * MySQL's driver asks the server before each write whether its session may write, unless it may
   * rely on what it has told the session itself. Nobody else sets anything in these sessions.
   */
  static String knowingItsSession(String url) {
    if (url == null || !url.startsWith("jdbc:mysql:") || url.contains("useLocalSessionState")) {
      return url;
    }
    return url + (url.contains("?") ? "&" : "?") + "useLocalSessionState=true";
  }

  /** For statements that stand alone: each is committed at once. */
  DataSource statements() {
    return statements;
  }

  /** For transactions: autocommit is off. */
  DataSource transactions() {
    return transactions;
  }

  @Override
  public void close() {
    transactions.close();
    statements.close();
  }
}
