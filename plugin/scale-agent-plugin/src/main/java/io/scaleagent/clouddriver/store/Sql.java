// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;

/** What differs between the databases, as text of statements. Immutable. */
public enum Sql {
  /** MySQL from 5.7, MariaDB, Aurora. */
  MYSQL {
    @Override
    public String clock() {
      return "(timestampdiff(microsecond, '1970-01-01 00:00:00', utc_timestamp(3)) div 1000)";
    }

    @Override
    String connectionId() {
      return "connection_id()";
    }

    @Override
    String connectionMark() {
      return "select host from information_schema.processlist where id = connection_id()";
    }

    @Override
    String endConnection(long id) {
      return "kill " + id;
    }

    @Override
    String connectionsWithMark() {
      return "select id from information_schema.processlist where id = ? and host = ?";
    }

    @Override
    String conflict(List<String> keys, List<String> others) {
      if (others.isEmpty()) {
        return " on duplicate key update " + keys.get(0) + " = values(" + keys.get(0) + ")";
      }
      return " on duplicate key update "
          + others.stream().map(c -> c + " = values(" + c + ")").collect(Collectors.joining(", "));
    }

    @Override
    public String createLike(String table, String template) {
      return "create table if not exists " + table + " like " + template;
    }

    @Override
    public String tablesOfThisSchema() {
      return "select table_name from information_schema.tables where table_schema = database()";
    }
  },

  /** PostgreSQL. */
  POSTGRES {
    @Override
    public String clock() {
      return "cast(floor(extract(epoch from clock_timestamp()) * 1000) as bigint)";
    }

    @Override
    String connectionId() {
      return "cast(pg_backend_pid() as bigint)";
    }

    @Override
    String connectionMark() {
      return "select cast(backend_start as text) from pg_stat_activity"
          + " where pid = pg_backend_pid()";
    }

    @Override
    String endConnection(long id) {
      return "select pg_terminate_backend(" + id + ")";
    }

    @Override
    String connectionsWithMark() {
      return "select cast(pid as bigint) from pg_stat_activity"
          + " where pid = cast(? as integer) and cast(backend_start as text) = ?";
    }

    @Override
    String conflict(List<String> keys, List<String> others) {
      String on = " on conflict (" + String.join(", ", keys) + ") do ";
      if (others.isEmpty()) {
        return on + "nothing";
      }
      return on
          + "update set "
          + others.stream().map(c -> c + " = excluded." + c).collect(Collectors.joining(", "));
    }

    @Override
    public String createLike(String table, String template) {
      return "create table if not exists " + table + " (like " + template + " including all)";
    }

    @Override
    public String tablesOfThisSchema() {
      return "select table_name from information_schema.tables"
          + " where table_schema = current_schema()";
    }
  };

  /** Rows in one statement at most; a statement's bytes are bounded by {@link #STATEMENT_BYTES}. */
  public static final int STATEMENT_ROWS = 200;

  /** Well below the smallest max_allowed_packet that is in use, 4 MB. */
  public static final int STATEMENT_BYTES = 1 << 20;

  // 1205 lock wait timeout, 1213 deadlock, 1020 record changed (MariaDB), 1290 and 1836 read-only
  // (fail-over), 1317 interrupted, 1927 connection killed, 1053 server shutdown.
  private static final Set<Integer> MYSQL_RETRY =
      Set.of(1205, 1213, 1020, 1290, 1836, 1317, 1927, 1053);

  /** Milliseconds since 1970 at the moment the statement runs, by the database. */
  public abstract String clock();

  abstract String connectionId();

  /** Asks for what tells this connection from a later one with the same id. */
  abstract String connectionMark();

  abstract String endConnection(long id);

  /** Binds id and mark. */
  abstract String connectionsWithMark();

  abstract String conflict(List<String> keys, List<String> others);

  public abstract String createLike(String table, String template);

  public abstract String tablesOfThisSchema();

  /**
   * Which of the two it is.
   *
   * @throws IllegalArgumentException for another database
   */
  public static Sql of(DSLContext dsl) {
    SQLDialect family = dsl.dialect().family();
    switch (family) {
      case MYSQL:
      case MARIADB:
        return MYSQL;
      case POSTGRES:
        return POSTGRES;
      default:
        throw new IllegalArgumentException("database " + family + " is not supported");
    }
  }

  /**
   * Text of an insert of some rows that replaces those that are there.
   *
   * @param keys columns of the primary key
   * @param others columns that are replaced; empty: rows that are there stay as they are
   */
  public String upsert(String table, List<String> keys, List<String> others, int rows) {
    List<String> columns = new ArrayList<>(keys);
    columns.addAll(others);
    String row = "(" + marks(columns.size()) + ")";
    return "insert into "
        + table
        + " ("
        + String.join(", ", columns)
        + ") values "
        + String.join(", ", Collections.nCopies(rows, row))
        + conflict(keys, others);
  }

  /** "?, ?, ?" */
  public static String marks(int n) {
    return String.join(", ", Collections.nCopies(n, "?"));
  }

  /** Whether a statement failed because it waited too long for a lock; null is no such error. */
  static boolean lockBusy(SQLException e) {
    return e != null
        && (e instanceof SQLTimeoutException
            || e.getErrorCode() == 1205
            || "57014".equals(e.getSQLState())
            || "55P03".equals(e.getSQLState()));
  }

  /**
   * Whether a transaction that failed like this may succeed if it is run again: deadlock, lock
   * wait, lost or ended connection, fail-over.
   */
  public static boolean passing(SQLException e) {
    if (e instanceof SQLTimeoutException || MYSQL_RETRY.contains(e.getErrorCode())) {
      return true;
    }
    String state = e.getSQLState() == null ? "" : e.getSQLState();
    return state.startsWith("08") // connection
        || state.startsWith("40") // deadlock, serialization
        || state.startsWith("57P") // shut down, terminated
        || state.equals("57014") // query cancelled
        || state.equals("55P03") // lock not available
        || state.equals("25006") // read-only
        || createdMeanwhile(e, state);
  }

  /** PostgreSQL's "if not exists" does not see a table that another transaction is making. */
  private static boolean createdMeanwhile(SQLException e, String state) {
    return state.equals("42P07")
        || (state.equals("23505") && String.valueOf(e.getMessage()).contains("\"pg_"));
  }
}
