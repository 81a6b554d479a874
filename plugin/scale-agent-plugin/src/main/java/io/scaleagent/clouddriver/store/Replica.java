// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * This Clouddriver among the others. It is alive until a moment that it moves on as long as it
 * runs; once that has passed it is dead for ever, to itself as to others, and goes on under a new
 * number, so that no lease outlives a pause. Shared by threads.
 *
 * <p>A process that stands still in a transaction holds its locks for as long as its connection
 * lives. So that others need not wait, each connection that takes such a lock is written down
 * before, and those of a dead Clouddriver are ended by whoever runs into one.
 */
public final class Replica {
  private static final Logger log = LoggerFactory.getLogger(Replica.class);
  private static final long KEEP_DEAD_MILLIS = 3_600_000;

  private final Database database;
  private final Numbers numbers;
  private final String name;
  private final String address;
  private final long leaseMillis;
  private final Set<Long> connections = ConcurrentHashMap.newKeySet();
  private volatile long id;

  /** Thrown out of a transaction whose connection is not written down yet. */
  static final class UnknownConnection extends Database.Leave {
    private final long connection;
    private final String mark;

    UnknownConnection(long connection, String mark) {
      super("connection " + connection);
      this.connection = connection;
      this.mark = mark;
    }
  }

  Replica(Database database, Numbers numbers, String name, String address, long leaseMillis) {
    this.database = Objects.requireNonNull(database);
    this.numbers = Objects.requireNonNull(numbers);
    this.name = Objects.requireNonNull(name);
    this.address = Objects.requireNonNull(address);
    this.leaseMillis = leaseMillis;
  }

  /** Of this run of this Clouddriver; changes when it was taken for dead. */
  long id() {
    return id;
  }

  long leaseMillis() {
    return leaseMillis;
  }

  /**
   * Says that it is alive; takes a new number at the first time and when it was taken for dead.
   *
   * @return false if it was taken for dead
   */
  synchronized boolean renew() {
    boolean first = id == 0;
    String clock = database.sql().clock();
    int renewed =
        first
            ? 0
            : database.run(
                "renewing the lease",
                d ->
                    d.execute(
                        "update scale_agent_replica set alive_until = "
                            + clock
                            + " + ? where id = ? and alive_until >= "
                            + clock,
                        leaseMillis,
                        id));
    if (renewed == 0) {
      if (!first) {
        log.warn(
            "this Clouddriver was silent for more than {} ms: its accounts are open to others, and"
                + " whatever it still had to write is void",
            leaseMillis);
      }
      begin();
    }
    return first || renewed > 0;
  }

  private void begin() {
    long number = numbers.draw();
    long old = id;
    String clock = database.sql().clock();
    database.transact(
        "announcing this Clouddriver",
        tx -> {
          tx.execute(
              "insert into scale_agent_replica (id, name, address, started_at, alive_until)"
                  + " values (?, ?, ?, "
                  + clock
                  + ", "
                  + clock
                  + " + ?)",
              number,
              name,
              address,
              leaseMillis);
          tx.execute("update scale_agent_agent set replica = ? where replica = ?", number, old);
          return null;
        });
    connections.clear();
    id = number;
    forgetDead();
  }

  private void forgetDead() {
    long before = database.now() - KEEP_DEAD_MILLIS;
    database.run(
        "forgetting dead Clouddrivers",
        d -> {
          d.execute(
              "delete from scale_agent_connection where created_at < ? and replica not in"
                  + " (select id from scale_agent_replica where alive_until >= ?)",
              before,
              before);
          return d.execute("delete from scale_agent_replica where alive_until < ?", before);
        });
  }

  /** Says at an orderly end that this Clouddriver is gone. */
  synchronized void end() {
    database.run(
        "taking leave",
        d -> d.execute("update scale_agent_replica set alive_until = 0 where id = ?", id));
  }

  /**
   * Makes sure, at a transaction's start, that its connection is written down.
   *
   * @throws UnknownConnection if not: to be given to {@link #note}, then the transaction may be
   *     tried again
   */
  void requireKnown(DSLContext tx, long connection) {
    if (!connections.contains(connection)) {
      Record mark = tx.fetchOne(database.sql().connectionMark());
      throw new UnknownConnection(
          connection, mark == null ? "" : String.valueOf(mark.get(0, String.class)));
    }
  }

  /** Writes a connection down. Outside of transactions. */
  void note(UnknownConnection unknown) {
    String statement =
        database
            .sql()
            .upsert(
                "scale_agent_connection",
                List.of("replica", "connection"),
                List.of("mark", "created_at"),
                1);
    long now = database.now();
    database.run(
        "writing down a connection",
        d -> d.execute(statement, id, unknown.connection, unknown.mark, now));
    connections.add(unknown.connection);
  }

  /** Ends the connections of Clouddrivers that are dead, so that their locks are free. */
  void endDead() {
    Sql sql = database.sql();
    database.run(
        "ending connections of dead Clouddrivers",
        d -> {
          for (Record r :
              d.fetch(
                  "select c.replica, c.connection, c.mark from scale_agent_connection c"
                      + " join scale_agent_replica r on r.id = c.replica where r.alive_until < "
                      + sql.clock())) {
            endOne(d, r.get(0, Long.class), r.get(1, Long.class), r.get(2, String.class));
          }
          return null;
        });
  }

  private void endOne(DSLContext d, long replica, long connection, String mark) {
    Sql sql = database.sql();
    if (!mark.isEmpty() && !d.fetch(sql.connectionsWithMark(), connection, mark).isEmpty()) {
      log.warn("ending database connection {} of a Clouddriver that stands still", connection);
      try {
        d.execute(sql.endConnection(connection));
      } catch (RuntimeException e) {
        // Another thread, or another Clouddriver, was quicker; if not, whoever waits comes again.
        log.info("database connection {} is not ended: {}", connection, e.getMessage());
        return;
      }
    }
    d.execute(
        "delete from scale_agent_connection where replica = ? and connection = ?",
        replica,
        connection);
  }
}
