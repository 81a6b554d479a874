// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import io.scaleagent.clouddriver.store.Database;
import io.scaleagent.clouddriver.store.Parts;
import java.util.List;
import java.util.Objects;
import org.jooq.DSLContext;

/** Rows that stock caching agents have left of an account. */
final class StockRows {
  /** How the names of stock agents go on after the account's; those of 5.70 to 2026.x. */
  private static final List<String> AGENTS =
      List.of(
          "/KubernetesCoreCachingAgent[",
          "/KubernetesUnregisteredCustomResourceCachingAgent[",
          "/CustomKubernetes(");

  private final Database database;
  private final CatsTables tables;
  private final int batch;
  private final long pauseMillis;

  /**
   * @param batch how many tables to go through at a time
   * @param pauseMillis how long to rest after each batch in which there was something
   */
  StockRows(Database database, CatsTables tables, int batch, long pauseMillis) {
    this.database = Objects.requireNonNull(database);
    this.tables = Objects.requireNonNull(tables);
    this.batch = Math.max(1, batch);
    this.pauseMillis = pauseMillis;
  }

  /**
   * Deletes them, relationships too.
   *
   * @return how many there were
   * @throws InterruptedException if the thread is to end; some of them may be left
   */
  int evict(String account) throws InterruptedException {
    List<String> all =
        database.run("listing the cache's tables", d -> tables.all(d, database.sql()));
    int evicted = 0;
    for (List<String> part : Parts.of(all, batch)) {
      int here = 0;
      for (String table : part) {
        here +=
            database.run(
                "evicting stock rows of account " + account,
                d -> evict(d, table, "agent", "", account));
      }
      evicted += here;
      if (here > 0) {
        Thread.sleep(pauseMillis);
      }
    }
    for (String type : List.of(Ids.APPLICATIONS, Ids.CLUSTERS)) {
      evicted +=
          database.run(
              "evicting stock relationships of account " + account,
              d -> evict(d, tables.names().relTable(type), "rel_agent", "%:", account));
    }
    return evicted;
  }

  private static int evict(
      DSLContext d, String table, String column, String before, String account) {
    int evicted = 0;
    for (String agent : AGENTS) {
      evicted +=
          d.execute(
              "delete from " + table + " where " + column + " like ? escape '!'",
              before + literal(account) + literal(agent) + "%");
    }
    return evicted;
  }

  /** Of a pattern, with the signs that stand for others marked. */
  private static String literal(String text) {
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_");
  }
}
