// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.scaleagent.clouddriver.protocol.ObjectKey;
import io.scaleagent.clouddriver.store.Keys;
import io.scaleagent.clouddriver.store.Parts;
import io.scaleagent.clouddriver.store.Sql;
import io.scaleagent.clouddriver.store.SqlTransaction;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jooq.Record;

/**
 * The index as it is kept in scale_agent_link: one row for each object that has a row in the cache.
 */
final class LinkRows {
  private static final ObjectMapper mapper = new ObjectMapper();
  private static final List<String> KEYS = List.of("scope", "key_hash");
  private static final List<String> VALUES = List.of("body");
  private static final TypeReference<Map<String, Object>> MAP = new TypeReference<>() {};

  private LinkRows() {}

  /** Reads the whole index of the transaction's account. */
  static LinkIndex read(SqlTransaction tx, Collection<String> sticky) {
    LinkIndex index = new LinkIndex(sticky);
    for (Record r :
        tx.dsl()
            .fetch(
                "select l.scope, l.body from scale_agent_link l"
                    + " join scale_agent_scope s on s.id = l.scope where s.account = ?",
                tx.lease().account())) {
      Node node = decode(r.get(1, String.class));
      Node there = index.get(node.id);
      if (there != null) {
        node.scopes.addAll(there.scopes);
      }
      node.scopes.add(r.get(0, Long.class));
      index.put(node);
    }
    index.settled();
    return index;
  }

  /** Writes nodes, each once for each of its scopes. */
  static void write(SqlTransaction tx, Collection<Node> nodes) {
    List<Object[]> rows = new ArrayList<>();
    for (Node node : nodes) {
      String body = encode(node);
      byte[] hash = Keys.hash(node.key);
      node.scopes.forEach(scope -> rows.add(new Object[] {scope, hash, body}));
    }
    for (List<Object[]> part : Parts.of(rows, Sql.STATEMENT_ROWS)) {
      List<Object> values = new ArrayList<>();
      part.forEach(row -> values.addAll(List.of(row)));
      tx.dsl()
          .execute(
              tx.sql().upsert("scale_agent_link", KEYS, VALUES, part.size()), values.toArray());
    }
  }

  static void delete(SqlTransaction tx, long scope, Collection<ObjectKey> keys) {
    for (List<ObjectKey> part : Parts.of(keys, Sql.STATEMENT_ROWS)) {
      List<Object> values = new ArrayList<>();
      values.add(scope);
      part.forEach(key -> values.add(Keys.hash(key)));
      tx.dsl()
          .execute(
              "delete from scale_agent_link where scope = ? and key_hash in ("
                  + Sql.marks(part.size())
                  + ")",
              values.toArray());
    }
  }

  private static String encode(Node node) {
    ObjectNode json = mapper.createObjectNode();
    json.put("id", node.id);
    json.put("group", node.group);
    json.put("namespace", node.key.namespace());
    json.put("name", node.key.name());
    json.set("links", mapper.valueToTree(new TreeSet<>(node.links)));
    if (!node.related.isEmpty()) {
      json.set("related", mapper.valueToTree(new TreeSet<>(node.related)));
    }
    if (node.part != null) {
      json.set("part", mapper.valueToTree(node.part));
    }
    return json.toString();
  }

  private static Node decode(String text) {
    try {
      JsonNode json = mapper.readTree(text);
      JsonNode part = json.get("part");
      return new Node(
          json.path("id").asText(),
          json.path("group").asText(),
          new ObjectKey(json.path("namespace").asText(), json.path("name").asText()),
          strings(json.path("links")),
          strings(json.path("related")),
          part == null ? null : mapper.convertValue(part, MAP));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("scale_agent_link has what is not the plugin's", e);
    }
  }

  private static Set<String> strings(JsonNode array) {
    Set<String> all = new HashSet<>();
    array.forEach(n -> all.add(n.asText()));
    return all;
  }
}
