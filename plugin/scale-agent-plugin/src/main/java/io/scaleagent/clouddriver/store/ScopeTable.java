// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import io.scaleagent.clouddriver.protocol.Digest;
import io.scaleagent.clouddriver.protocol.ScopeName;
import io.scaleagent.clouddriver.protocol.ScopeTotals;
import io.scaleagent.clouddriver.protocol.ScopeType;
import io.scaleagent.clouddriver.protocol.StoredScope;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jooq.Record;

/**
 * The scopes of one account in one epoch. Since nobody else writes them while the lease holds they
 * are read once, changed in memory, and written by {@link #flush} at the end of a transaction;
 * after a transaction that failed the object is thrown away. Used by one thread at a time.
 */
final class ScopeTable {
  private static final String COLUMNS =
      "id, api_group, resource, namespace, version, kind, namespaced, objects, digest_sum, stale,"
          + " settings, checkpoint, checkpoint_at, fingerprint";

  /** Scopes in one statement at most. */
  private static final int STATEMENT_SCOPES = 100;

  /** A scope as it will be after the transaction. */
  private static final class Row {
    final long id;
    ScopeType type;
    ScopeTotals totals;
    String settings;
    String checkpoint = "";
    long checkpointAt;
    byte[] fingerprint = {};
    boolean isNew;
    boolean changed;
    boolean checkpointNow;

    Row(long id, ScopeType type, ScopeTotals totals, String settings) {
      this.id = id;
      this.type = Objects.requireNonNull(type);
      this.totals = Objects.requireNonNull(totals);
      this.settings = Objects.requireNonNull(settings);
    }
  }

  private final String account;
  private final Map<ScopeName, Row> byName = new TreeMap<>();
  private final Map<Long, Row> byId = new HashMap<>();

  private ScopeTable(String account) {
    this.account = Objects.requireNonNull(account);
  }

  /** Reads them. */
  static ScopeTable read(DSLContext tx, String account) {
    ScopeTable table = new ScopeTable(account);
    for (Record r :
        tx.fetch("select " + COLUMNS + " from scale_agent_scope where account = ?", account)) {
      ScopeName name =
          new ScopeName(r.get(1, String.class), r.get(2, String.class), r.get(3, String.class));
      ScopeType type =
          new ScopeType(
              name, r.get(4, String.class), r.get(5, String.class), r.get(6, Integer.class) != 0);
      ScopeTotals totals =
          new ScopeTotals(
              r.get(7, Long.class), Digest.of(r.get(8, byte[].class)), r.get(9, Long.class));
      Row row = new Row(r.get(0, Long.class), type, totals, r.get(10, String.class));
      row.checkpoint = r.get(11, String.class);
      row.checkpointAt = r.get(12, Long.class);
      row.fingerprint = r.get(13, byte[].class);
      table.add(row);
    }
    return table;
  }

  private void add(Row row) {
    byName.put(row.type.name(), row);
    byId.put(row.id, row);
  }

  private Row row(long id) {
    Row row = byId.get(id);
    if (row == null) {
      throw new IllegalArgumentException("account " + account + " has no scope " + id);
    }
    return row;
  }

  ScopeTotals totals(long id) {
    return row(id).totals;
  }

  /** The id of a scope; null if there is none. */
  Long id(ScopeName name) {
    Row row = byName.get(name);
    return row == null ? null : row.id;
  }

  void totals(long id, ScopeTotals totals) {
    Row row = row(id);
    row.totals = totals;
    row.changed = true;
  }

  /** So many more of its digests are stale. They are counted anew when the account is opened. */
  void addStale(long id, long digests) {
    Row row = row(id);
    ScopeTotals t = row.totals;
    totals(id, new ScopeTotals(t.count(), t.sum(), t.stale() + digests));
    row.settings = "";
  }

  void checkpoint(long id, String resourceVersion, byte[] fingerprint) {
    Row row = row(id);
    row.checkpoint = resourceVersion;
    row.fingerprint = resourceVersion.isEmpty() ? new byte[0] : fingerprint.clone();
    row.checkpointAt = 0;
    row.checkpointNow = !resourceVersion.isEmpty();
    row.changed = true;
  }

  /** Makes a scope that is not there, or changes the type of one that is. */
  long put(ScopeType type, long newId) {
    Row row = byName.get(type.name());
    if (row == null) {
      row = new Row(newId, type, ScopeTotals.NONE, "");
      row.isNew = true;
      add(row);
    } else if (!row.type.equals(type)) {
      row.type = type;
      row.changed = true;
    }
    return row.id;
  }

  /** Deletes scopes with their digests and what else hangs on them. */
  void delete(DSLContext tx, Collection<Long> ids) {
    List<Long> stored = new ArrayList<>();
    for (long id : ids) {
      Row row = byId.remove(id);
      byName.remove(row.type.name());
      if (!row.isNew) {
        stored.add(id);
      }
    }
    if (stored.isEmpty()) {
      return;
    }
    String in = " in (" + Sql.marks(stored.size()) + ")";
    Object[] values = stored.toArray();
    tx.execute("delete from scale_agent_digest where scope" + in, values);
    tx.execute("delete from scale_agent_link where scope" + in, values);
    tx.execute("delete from scale_agent_scope where id" + in, values);
  }

  /**
   * Under other settings than the present ones digests are stale: counts them anew where the
   * settings changed since they were counted.
   */
  void countStale(DSLContext tx, String settings) {
    for (Row row : byName.values()) {
      if (!row.settings.equals(settings)) {
        long stale =
            tx.fetchOne(
                    "select count(*) from scale_agent_digest where scope = ? and settings <> ?",
                    row.id,
                    settings)
                .get(0, Long.class);
        row.totals = new ScopeTotals(row.totals.count(), row.totals.sum(), stale);
        row.settings = settings;
        row.changed = true;
      }
    }
  }

  /**
   * @param now by the database's clock
   */
  List<StoredScope> stored(long now) {
    List<StoredScope> all = new ArrayList<>();
    for (Row row : byName.values()) {
      long age = row.checkpoint.isEmpty() ? 0 : Math.max(0, now - row.checkpointAt);
      all.add(new StoredScope(row.id, row.type, row.totals, row.checkpoint, row.fingerprint, age));
    }
    return all;
  }

  /**
   * Writes what has changed.
   *
   * @param guard a condition that must be met at this moment, "" for none
   * @return false if it is not: the transaction must not be committed
   */
  boolean flush(DSLContext tx, Sql sql, String settings, String guard, Object... guardValues) {
    List<Row> made = new ArrayList<>();
    List<Row> changed = new ArrayList<>();
    for (Row row : byName.values()) {
      if (row.isNew) {
        row.settings = settings;
        made.add(row);
      }
      if (row.changed || row.checkpointNow) {
        changed.add(row);
      }
      row.isNew = false;
      row.changed = false;
    }
    Parts.of(made, STATEMENT_SCOPES).forEach(part -> insert(tx, part));
    for (List<Row> part : Parts.of(changed, STATEMENT_SCOPES)) {
      if (!update(tx, sql, part, guard, guardValues)) {
        return false;
      }
    }
    changed.forEach(row -> row.checkpointNow = false);
    return !changed.isEmpty()
        || guard.isEmpty()
        || !tx.fetch(
                "select name from scale_agent_counter where name = 'number' and " + guard,
                guardValues)
            .isEmpty();
  }

  private void insert(DSLContext tx, List<Row> part) {
    List<Object> values = new ArrayList<>();
    for (Row row : part) {
      values.add(account);
      values.add(row.id);
      values.add(row.type.name().group());
      values.add(row.type.name().resource());
      values.add(row.type.name().namespace());
      values.add(row.type.version());
      values.add(row.type.kind());
      values.add(row.type.namespaced() ? 1 : 0);
      values.add(row.totals.count());
      values.add(row.totals.sum().bytes());
      values.add(row.totals.stale());
      values.add(row.settings);
      values.add(row.checkpoint);
      values.add(row.checkpointAt);
      values.add(row.fingerprint);
    }
    String row = "(?, 0, " + Sql.marks(14) + ")";
    tx.execute(
        "insert into scale_agent_scope (account, writes, "
            + COLUMNS
            + ") values "
            + String.join(", ", Collections.nCopies(part.size(), row)),
        values.toArray());
  }

  private boolean update(
      DSLContext tx, Sql sql, List<Row> part, String guard, Object... guardValues) {
    List<Object> values = new ArrayList<>();
    // "writes" makes the row change in any case: drivers may count changed rows, not found ones.
    String set =
        "writes = writes + 1"
            + column("version", part, r -> r.type.version(), values)
            + column("kind", part, r -> r.type.kind(), values)
            + column("namespaced", part, r -> r.type.namespaced() ? 1 : 0, values)
            + column("objects", part, r -> r.totals.count(), values)
            + column("digest_sum", part, r -> r.totals.sum().bytes(), values)
            + column("stale", part, r -> r.totals.stale(), values)
            + column("settings", part, r -> r.settings, values)
            + column("checkpoint", part, r -> r.checkpoint, values)
            + column("fingerprint", part, r -> r.fingerprint, values)
            + checkpointAt(sql, part, values);
    part.forEach(row -> values.add(row.id));
    values.addAll(List.of(guardValues));
    return tx.execute(
            "update scale_agent_scope set "
                + set
                + " where id in ("
                + Sql.marks(part.size())
                + ")"
                + (guard.isEmpty() ? "" : " and " + guard),
            values.toArray())
        == part.size();
  }

  /** ", NAME = VALUE", which depends on the row where they are not all the same. */
  private static String column(
      String name, List<Row> part, Function<Row, Object> value, List<Object> values) {
    Object first = value.apply(part.get(0));
    if (part.stream().allMatch(row -> Objects.deepEquals(first, value.apply(row)))) {
      values.add(first);
      return ", " + name + " = ?";
    }
    StringBuilder text = new StringBuilder(", " + name + " = case id");
    for (Row row : part) {
      text.append(" when ? then ?");
      values.add(row.id);
      values.add(value.apply(row));
    }
    return text.append(" else ").append(name).append(" end").toString();
  }

  private static String checkpointAt(Sql sql, List<Row> part, List<Object> values) {
    List<Row> now = part.stream().filter(r -> r.checkpointNow).collect(Collectors.toList());
    if (now.isEmpty()) {
      return "";
    }
    if (now.size() == part.size()) {
      return ", checkpoint_at = " + sql.clock();
    }
    now.forEach(row -> values.add(row.id));
    return ", checkpoint_at = case when id in ("
        + Sql.marks(now.size())
        + ") then "
        + sql.clock()
        + " else checkpoint_at end";
  }
}
