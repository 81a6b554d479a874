// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import io.scaleagent.clouddriver.protocol.ObjectKey;
import io.scaleagent.clouddriver.store.SqlTransaction;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Compares an account's rows with its index. Others may have deleted some: stock agents evict by id
 * alone, and people clean up by hand. Applications and clusters are written again; objects are
 * wanted again.
 */
final class RowRepair {
  private final SqlTransaction tx;
  private final CatsTables tables;
  private final Bodies bodies;
  private final LinkIndex index;
  private final String agent;
  private int written;
  private int wanted;
  private int deleted;

  RowRepair(SqlTransaction tx, CatsTables tables, Bodies bodies, LinkIndex index, String agent) {
    this.tx = Objects.requireNonNull(tx);
    this.tables = Objects.requireNonNull(tables);
    this.bodies = Objects.requireNonNull(bodies);
    this.index = Objects.requireNonNull(index);
    this.agent = Objects.requireNonNull(agent);
  }

  /** Rows of applications and clusters that were missing. */
  int written() {
    return written;
  }

  /** Objects whose row was missing: they come when the account is opened again. */
  int wanted() {
    return wanted;
  }

  /** Rows that nothing stands for. */
  int deleted() {
    return deleted;
  }

  void run() {
    Map<String, Set<String>> expected = new TreeMap<>();
    List.of(Ids.APPLICATIONS, Ids.CLUSTERS).forEach(t -> expected.put(t, new TreeSet<>()));
    index.counts().keySet().forEach(type -> expected.put(type, new TreeSet<>()));
    index.logicalRows().forEach(id -> expected.get(Ids.type(id)).add(id));
    index.nodes().forEach(node -> expected.get(Ids.type(node.id)).add(node.id));
    expected.forEach(this::mend);
  }

  private void mend(String type, Set<String> expected) {
    Set<String> found = tables.ids(tx.dsl(), type, agent);
    Set<String> surplus = new TreeSet<>(found);
    surplus.removeAll(expected);
    tables.delete(tx.dsl(), type, agent, surplus);
    deleted += surplus.size();
    Set<String> missing = new TreeSet<>(expected);
    missing.removeAll(found);
    List<CatsTables.Row> rows = new ArrayList<>();
    Map<Long, Set<ObjectKey>> lost = new HashMap<>();
    for (String id : missing) {
      if (Ids.logical(id)) {
        rows.add(bodies.logical(id, index.relationships(id)));
      } else {
        Node node = index.get(id);
        node.scopes.forEach(s -> lost.computeIfAbsent(s, k -> new HashSet<>()).add(node.key));
      }
    }
    tables.write(tx.dsl(), tx.sql(), type, agent, System.currentTimeMillis(), rows);
    written += rows.size();
    lost.forEach((scope, keys) -> wanted += tx.wantAgain(scope, keys));
  }
}
