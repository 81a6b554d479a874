// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import io.scaleagent.clouddriver.protocol.Lease;
import io.scaleagent.clouddriver.store.Database;
import io.scaleagent.clouddriver.store.Parts;
import io.scaleagent.clouddriver.store.Sql;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jooq.Record;

/**
 * The tables of cats, version 1: one of rows for each type, with an agent's rows told apart by the
 * column agent. Shared by threads.
 */
public final class CatsTables {
  private static final List<String> KEYS = List.of("id", "agent");
  private static final List<String> VALUES = List.of("body_hash", "body", "last_updated");
  private static final Set<String> COLUMNS =
      Set.of("id", "agent", "application", "body_hash", "body", "last_updated");
  private static final String TEMPLATE = "cats_v1_resource_template";
  private static final String REL_TEMPLATE = "cats_v1_rel_template";

  private final CatsNames names;
  private final Set<String> made = ConcurrentHashMap.newKeySet();

  /** A row as it is to be stored. */
  static final class Row {
    final String id;
    final String body;
    final String hash;

    Row(String id, String body, String hash) {
      this.id = Objects.requireNonNull(id);
      this.body = Objects.requireNonNull(body);
      this.hash = Objects.requireNonNull(hash);
    }
  }

  public CatsTables(CatsNames names) {
    this.names = Objects.requireNonNull(names);
  }

  CatsNames names() {
    return names;
  }

  /**
   * Refuses a layout that this class does not know.
   *
   * @throws IllegalStateException that says what is there and what was expected
   */
  public void check(Database database) {
    Set<String> found =
        database.run(
            "looking at the layout of the cache",
            d ->
                d
                    .fetch(
                        "select column_name, table_name from information_schema.columns"
                            + " where table_name = ?",
                        TEMPLATE)
                    .stream()
                    .map(r -> r.get(0, String.class).toLowerCase(Locale.ROOT))
                    .collect(Collectors.toCollection(TreeSet::new)));
    if (!found.equals(COLUMNS)) {
      throw new IllegalStateException(
          found.isEmpty()
              ? "Clouddriver's SQL cache is not there (table "
                  + TEMPLATE
                  + "): sql.enabled and sql.cache.enabled must be true"
              : "Clouddriver's SQL cache has a layout that this plugin does not know: "
                  + TEMPLATE
                  + " has the columns "
                  + found
                  + ", expected "
                  + new TreeSet<>(COLUMNS));
    }
  }

  /** Makes the tables of these types. Not within a transaction: in MySQL this would commit it. */
  void make(Database database, Collection<String> types) {
    for (String type : types) {
      if (!made.contains(type)) {
        database.run(
            "making the tables of type " + type,
            d -> {
              Sql sql = database.sql();
              d.execute(sql.createLike(names.table(type), TEMPLATE));
              return d.execute(sql.createLike(names.relTable(type), REL_TEMPLATE));
            });
        made.add(type);
      }
    }
  }

  /** Bodies of an agent's rows, by id; those that are not there are left out. */
  Map<String, String> bodies(DSLContext tx, String type, String agent, Collection<String> ids) {
    Map<String, String> found = new HashMap<>();
    for (List<String> part : Parts.of(ids, Sql.STATEMENT_ROWS)) {
      List<Object> values = new ArrayList<>(part);
      values.add(agent);
      for (Record r :
          tx.fetch(
              "select id, body from "
                  + names.table(type)
                  + " where id in ("
                  + Sql.marks(part.size())
                  + ") and agent = ?",
              values.toArray())) {
        found.put(r.get(0, String.class), r.get(1, String.class));
      }
    }
    return found;
  }

  /** Ids of all of an agent's rows of a type. */
  Set<String> ids(DSLContext tx, String type, String agent) {
    return new TreeSet<>(
        tx.fetch("select id from " + names.table(type) + " where agent = ?", agent)
            .getValues(0, String.class));
  }

  /**
   * How many rows accounts of agents have, in tables that were made here.
   *
   * @return by account and type
   */
  Map<String, Map<String, Integer>> counts(Database database, Collection<Lease> leases) {
    Map<String, String> accounts = new HashMap<>();
    leases.forEach(
        l -> accounts.put(names.agent(CatsRowWriter.agentType(l.account())), l.account()));
    Map<String, Map<String, Integer>> counts = new HashMap<>();
    for (String type : made) {
      for (List<String> part : Parts.of(accounts.keySet(), Sql.STATEMENT_ROWS)) {
        for (Record r :
            database.run(
                "counting rows of type " + type,
                d ->
                    d.fetch(
                        "select agent, count(*) from "
                            + names.table(type)
                            + " where agent in ("
                            + Sql.marks(part.size())
                            + ") group by agent",
                        part.toArray()))) {
          counts
              .computeIfAbsent(accounts.get(r.get(0, String.class)), a -> new HashMap<>())
              .put(type, r.get(1, Integer.class));
        }
      }
    }
    return counts;
  }

  /** Writes rows, in the place of those that are there. */
  void write(DSLContext tx, Sql sql, String type, String agent, long now, Collection<Row> rows) {
    List<Row> part = new ArrayList<>();
    int bytes = 0;
    for (Row row : rows) {
      if (!part.isEmpty()
          && (part.size() == Sql.STATEMENT_ROWS
              || bytes + row.body.length() > Sql.STATEMENT_BYTES)) {
        put(tx, sql, type, agent, now, part);
        part.clear();
        bytes = 0;
      }
      part.add(row);
      bytes += row.body.length();
    }
    if (!part.isEmpty()) {
      put(tx, sql, type, agent, now, part);
    }
  }

  private void put(DSLContext tx, Sql sql, String type, String agent, long now, List<Row> part) {
    List<Object> values = new ArrayList<>();
    for (Row row : part) {
      values.addAll(List.of(row.id, agent, row.hash, row.body, now));
    }
    tx.execute(sql.upsert(names.table(type), KEYS, VALUES, part.size()), values.toArray());
  }

  /** Deletes an agent's rows; other agents' rows with the same ids stay. */
  void delete(DSLContext tx, String type, String agent, Collection<String> ids) {
    for (List<String> part : Parts.of(ids, Sql.STATEMENT_ROWS)) {
      List<Object> values = new ArrayList<>(part);
      values.add(agent);
      tx.execute(
          "delete from "
              + names.table(type)
              + " where id in ("
              + Sql.marks(part.size())
              + ") and agent = ?",
          values.toArray());
    }
  }

  /** Tables of rows of all types, of whichever provider. */
  List<String> all(DSLContext d, Sql sql) {
    return d.fetch(sql.tablesOfThisSchema()).getValues(0, String.class).stream()
        .filter(t -> t.startsWith(names.prefix()) && !t.endsWith("_rel") && !t.equals(TEMPLATE))
        .filter(t -> !t.equals(REL_TEMPLATE))
        .sorted()
        .collect(Collectors.toList());
  }
}
