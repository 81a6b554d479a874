// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import io.scaleagent.clouddriver.protocol.ObjectKey;
import io.scaleagent.clouddriver.protocol.RowChange;
import io.scaleagent.clouddriver.protocol.ScopeType;
import io.scaleagent.clouddriver.protocol.WriteOutcome;
import io.scaleagent.clouddriver.store.SqlTransaction;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The rows that one call of the writer changes: gathered first, written in {@link #flush}. */
final class RowBatch {
  private static final Logger log = LoggerFactory.getLogger(RowBatch.class);

  private final SqlTransaction tx;
  private final CatsTables tables;
  private final Bodies bodies;
  private final ObjectConverter converter;
  private final LinkIndex index;
  private final String account;
  private final String agent;

  /** Attributes of rows whose object is in this batch. */
  private final Map<String, Map<String, Object>> fresh = new HashMap<>();

  /** Nodes whose row in scale_agent_link is to be written. */
  private final Set<String> changedNodes = new LinkedHashSet<>();

  private final Map<Long, Set<ObjectKey>> deletedKeys = new TreeMap<>();
  private final Set<String> deletedRows = new HashSet<>();

  RowBatch(
      SqlTransaction tx,
      CatsTables tables,
      Bodies bodies,
      ObjectConverter converter,
      LinkIndex index,
      String account,
      String agent) {
    this.tx = Objects.requireNonNull(tx);
    this.tables = Objects.requireNonNull(tables);
    this.bodies = Objects.requireNonNull(bodies);
    this.converter = Objects.requireNonNull(converter);
    this.index = Objects.requireNonNull(index);
    this.account = Objects.requireNonNull(account);
    this.agent = Objects.requireNonNull(agent);
  }

  /** Takes a change into the batch. */
  WriteOutcome take(RowChange change) {
    Long scope = tx.scopeId(change.scope().name());
    if (scope == null) {
      throw new IllegalArgumentException(
          "account " + account + " has no scope " + change.scope().name());
    }
    String id = converter.id(change.scope(), change.key());
    if (change.deleted()) {
      remove(scope, change.key(), id);
      return WriteOutcome.STORED;
    }
    Conversion made = convert(change.scope(), change, id);
    if (made.outcome() == WriteOutcome.STORED) {
      put(scope, change.key(), id, made);
    } else {
      if (made.outcome() == WriteOutcome.REJECTED) {
        log.error(
            "Account {}: {} {} is not cached: {}",
            account,
            change.scope().kind(),
            change.key(),
            made.reason());
      }
      remove(scope, change.key(), id);
    }
    return made.outcome();
  }

  private Conversion convert(ScopeType scope, RowChange change, String id) {
    Conversion made = converter.convert(scope, change.key(), change.object());
    if (made.outcome() != WriteOutcome.STORED) {
      return made;
    }
    if (!tables.names().fits(id)) {
      return tooLong(id);
    }
    for (String link : made.links()) {
      if (Ids.logical(link) && !tables.names().fits(link)) {
        return tooLong(link);
      }
    }
    return made;
  }

  private Conversion tooLong(String id) {
    return Conversion.none(
        WriteOutcome.REJECTED,
        String.format(
            "its key has %d characters, and Clouddriver's cache takes %d: %s",
            id.length(), tables.names().maxId(), id));
  }

  private void put(long scope, ObjectKey key, String id, Conversion made) {
    Node old = index.get(id);
    Set<String> related = old == null || made.part() == null ? Set.of() : old.related;
    Node node = new Node(id, made.group(), key, made.links(), related, made.part());
    node.scopes.add(scope);
    if (old != null) {
      node.scopes.addAll(old.scopes);
    }
    if (old == null || !old.scopes.contains(scope) || !same(old, node)) {
      changedNodes.add(id);
    }
    index.put(node);
    fresh.put(id, made.attributes());
    deletedRows.remove(id);
    deletedKeys.getOrDefault(scope, new HashSet<>()).remove(key);
  }

  private static boolean same(Node a, Node b) {
    return a.group.equals(b.group) && a.links.equals(b.links) && Objects.equals(a.part, b.part);
  }

  private void remove(long scope, ObjectKey key, String id) {
    Node old = index.get(id);
    if (old == null || !old.scopes.remove(scope)) {
      return;
    }
    deletedKeys.computeIfAbsent(scope, s -> new HashSet<>()).add(key);
    if (old.scopes.isEmpty()) {
      index.remove(id);
      fresh.remove(id);
      changedNodes.remove(id);
      deletedRows.add(id);
    }
  }

  /** Takes everything out that came from a scope. */
  void drop(long scope) {
    List<Node> gone = new ArrayList<>();
    index.nodes().stream().filter(n -> n.scopes.contains(scope)).forEach(gone::add);
    gone.forEach(n -> remove(scope, n.key, n.id));
  }

  /** Writes all that has changed. */
  void flush() {
    relate();
    Map<String, List<CatsTables.Row>> writes = new TreeMap<>();
    Map<String, Set<String>> deletes = new TreeMap<>();
    Map<String, Set<String>> neighbours = new TreeMap<>();
    deletedRows.forEach(id -> add(deletes, id));
    Set<String> touched = new TreeSet<>(index.takeTouched());
    touched.addAll(fresh.keySet());
    for (String id : touched) {
      if (fresh.containsKey(id)) {
        writes
            .computeIfAbsent(Ids.type(id), t -> new ArrayList<>())
            .add(bodies.row(id, fresh.get(id), index.relationships(id)));
      } else if (!index.exists(id)) {
        if (Ids.logical(id)) {
          add(deletes, id);
        }
      } else if (Ids.logical(id)) {
        writes
            .computeIfAbsent(Ids.type(id), t -> new ArrayList<>())
            .add(bodies.logical(id, index.relationships(id)));
      } else {
        add(neighbours, id);
      }
    }
    neighbours.forEach((type, ids) -> rewrite(writes, type, ids));
    store(writes, deletes);
  }

  private static void add(Map<String, Set<String>> byType, String id) {
    byType.computeIfAbsent(Ids.type(id), t -> new TreeSet<>()).add(id);
  }

  /** Where a part has changed, all of its namespace are related anew. */
  private void relate() {
    for (String namespace : index.takeTouchedNamespaces()) {
      Map<String, Map<String, Object>> parts = index.parts(namespace);
      Map<String, Set<String>> related = converter.relate(parts);
      for (String id : parts.keySet()) {
        Node node = index.get(id);
        Set<String> now = related.getOrDefault(id, Set.of());
        if (!node.related.equals(now)) {
          index.relate(node, now);
          changedNodes.add(id);
        }
      }
    }
  }

  /** Rows whose object is not at hand, but whose relationships have changed. */
  private void rewrite(Map<String, List<CatsTables.Row>> writes, String type, Set<String> ids) {
    Map<String, String> stored = tables.bodies(tx.dsl(), type, agent, ids);
    for (String id : ids) {
      String body = stored.get(id);
      if (body == null) {
        lost(id);
      } else {
        writes
            .computeIfAbsent(type, t -> new ArrayList<>())
            .add(bodies.with(id, body, index.relationships(id)));
      }
    }
  }

  private void lost(String id) {
    log.warn("Account {}: somebody has deleted the row {}", account, id);
  }

  private void store(Map<String, List<CatsTables.Row>> writes, Map<String, Set<String>> deletes) {
    long now = System.currentTimeMillis();
    deletes.forEach((type, ids) -> tables.delete(tx.dsl(), type, agent, ids));
    writes.forEach((type, rows) -> tables.write(tx.dsl(), tx.sql(), type, agent, now, rows));
    deletedKeys.forEach((scope, keys) -> LinkRows.delete(tx, scope, keys));
    List<Node> nodes = new ArrayList<>();
    changedNodes.forEach(id -> nodes.add(index.get(id)));
    LinkRows.write(tx, nodes);
  }
}
