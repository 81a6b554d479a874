// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.scaleagent.clouddriver.protocol.ObjectKey;
import io.scaleagent.clouddriver.protocol.ScopeType;
import io.scaleagent.clouddriver.protocol.WriteOutcome;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Stock Clouddriver's conversion, written down again for tests that have no Clouddriver: as a
 * converter of one object, and as a rebuild of all rows of an account at once, the way the stock
 * agents do it. StockOracleTest holds this against the real one.
 */
final class StockModel implements ObjectConverter {
  private static final ObjectMapper mapper = new ObjectMapper();
  private static final Set<String> LOGICAL =
      Set.of("deployment", "replicaSet", "statefulSet", "service", "ingress", "networkPolicy");
  private static final Set<String> CLUSTERED = Set.of("deployment", "replicaSet", "statefulSet");
  private static final String IGNORE = "caching.spinnaker.io/ignore";

  private final String account;

  StockModel(String account) {
    this.account = account;
  }

  /** A row as it is read: what is compared. */
  static final class Row {
    final Map<String, Object> attributes;
    final Map<String, Set<String>> relationships;

    Row(Map<String, Object> attributes, Map<String, Set<String>> relationships) {
      this.attributes = attributes;
      this.relationships = relationships;
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Row
          && attributes.equals(((Row) other).attributes)
          && relationships.equals(((Row) other).relationships);
    }

    @Override
    public int hashCode() {
      return attributes.hashCode();
    }

    @Override
    public String toString() {
      return relationships + " " + attributes;
    }
  }

  // ---- one object ----

  static String kind(String kind, String apiVersion) {
    String name = Character.toLowerCase(kind.charAt(0)) + kind.substring(1);
    return apiVersion.startsWith("argoproj.io/") ? kind + ".argoproj.io" : name;
  }

  @Override
  public String type(ScopeType scope) {
    return kind(scope.kind(), scope.name().group() + "/" + scope.version());
  }

  @Override
  public String id(ScopeType scope, ObjectKey key) {
    return id(type(scope), key.namespace(), key.name());
  }

  private String id(String type, String namespace, String name) {
    return "kubernetes.v2:infrastructure:"
        + type
        + ":"
        + account
        + ":"
        + namespace
        + ":"
        + name.replace(':', ';');
  }

  @Override
  public Collection<String> stickyTypes() {
    return List.of("service", "pod");
  }

  @Override
  public Conversion convert(ScopeType scope, ObjectKey key, ByteBuffer object) {
    Map<String, Object> manifest;
    try {
      manifest =
          mapper.readValue(
              StandardCharsets.UTF_8.decode(object).toString(),
              new TypeReference<Map<String, Object>>() {});
    } catch (IOException e) {
      return Conversion.none(WriteOutcome.REJECTED, "it is no JSON");
    }
    if (!key.equals(new ObjectKey(text(manifest, "namespace"), text(manifest, "name")))) {
      return Conversion.none(WriteOutcome.REJECTED, "it is another object");
    }
    if (ignored(manifest)) {
      return Conversion.none(WriteOutcome.FILTERED, "it says so itself");
    }
    String type = type(scope);
    return Conversion.row(
        type.contains(".") ? "crd" : CORE,
        attributes(manifest),
        links(type, manifest),
        Set.of("service", "replicaSet", "statefulSet", "ingress").contains(type) ? manifest : null);
  }

  private static Map<String, Object> attributes(Map<String, Object> manifest) {
    Map<String, Object> attributes = new TreeMap<>();
    attributes.put("kind", kind(text(manifest), (String) manifest.get("apiVersion")));
    attributes.put("name", text(manifest, "name"));
    attributes.put("namespace", text(manifest, "namespace"));
    attributes.put("manifest", manifest);
    return attributes;
  }

  private Set<String> links(String type, Map<String, Object> manifest) {
    Set<String> links = new TreeSet<>();
    String app = annotation(manifest, "moniker.spinnaker.io/application");
    app = app == null ? text(manifest, "name").split("-")[0] : app;
    String cluster = annotation(manifest, "moniker.spinnaker.io/cluster");
    cluster = cluster == null ? text(manifest, "name").replaceAll("-v[0-9]+$", "") : cluster;
    if (LOGICAL.contains(type)) {
      links.add("kubernetes.v2:logical:applications:" + app);
    }
    if (CLUSTERED.contains(type)) {
      links.add("kubernetes.v2:logical:clusters:" + account + ":" + app + ":" + cluster);
    }
    for (Object o : (List<?>) metadata(manifest).getOrDefault("ownerReferences", List.of())) {
      Map<?, ?> owner = (Map<?, ?>) o;
      links.add(
          id(
              kind((String) owner.get("kind"), (String) owner.get("apiVersion")),
              text(manifest, "namespace"),
              (String) owner.get("name")));
    }
    return links;
  }

  // ---- objects of one namespace ----

  @Override
  public Map<String, Set<String>> relate(Map<String, Map<String, Object>> parts) {
    Map<String, Set<String>> related = new TreeMap<>();
    parts.forEach(
        (id, one) ->
            parts.forEach(
                (otherId, other) -> {
                  if (belongs(one, other)) {
                    related.computeIfAbsent(id, i -> new TreeSet<>()).add(otherId);
                  }
                }));
    return related;
  }

  /** Whether stock makes one, of the same namespace, point to the other. */
  @SuppressWarnings("unchecked")
  private static boolean belongs(Map<String, Object> one, Map<String, Object> other) {
    if (annotations(one).isEmpty()) {
      return false; // stock loses them on the way, for its map's keys change
    }
    Map<String, Object> spec = (Map<String, Object>) one.get("spec");
    switch (text(one) + " " + text(other)) {
      case "Service ReplicaSet":
        Map<String, Object> template = (Map<String, Object>) path(other, "spec", "template");
        Map<String, Object> labels = (Map<String, Object>) path(template, "metadata", "labels");
        Map<String, Object> selector =
            (Map<String, Object>) spec.getOrDefault("selector", Map.of());
        return !selector.isEmpty() && labels.entrySet().containsAll(selector.entrySet());
      case "Ingress Service":
        for (Object rule : (List<?>) spec.get("rules")) {
          for (Object p : (List<?>) path((Map<String, Object>) rule, "http", "paths")) {
            Map<String, Object> backend = (Map<String, Object>) ((Map<?, ?>) p).get("backend");
            if (path(backend, "service", "name").equals(text(other, "name"))) {
              return true;
            }
          }
        }
        return false;
      case "StatefulSet Service":
        return text(other, "name").equals(spec.get("serviceName"));
      default:
        return false;
    }
  }

  // ---- all objects ----

  /** The rows of all objects of the cluster, made at once. */
  Map<String, Row> rebuild(Cluster cluster) {
    Map<String, Map<String, Object>> attributes = new TreeMap<>();
    Map<String, Set<String>> edges = new TreeMap<>();
    Set<String> logical = new HashSet<>();
    for (boolean core : new boolean[] {true, false}) {
      Map<String, Map<String, Object>> own = new TreeMap<>();
      Map<String, Set<String>> among = new TreeMap<>();
      Map<String, Map<String, Map<String, Object>>> byNamespace = new TreeMap<>();
      for (ScopeType scope : Cluster.SCOPES) {
        String type = type(scope);
        if (core == type.contains(".")) {
          continue;
        }
        for (Map.Entry<ObjectKey, Map<String, Object>> e : cluster.objects(scope).entrySet()) {
          if (ignored(e.getValue())) {
            continue;
          }
          String id = id(scope, e.getKey());
          own.put(id, attributes(e.getValue()));
          connect(among, id, links(type, e.getValue()));
          byNamespace
              .computeIfAbsent(e.getKey().namespace(), n -> new TreeMap<>())
              .put(id, e.getValue());
        }
      }
      for (Map<String, Map<String, Object>> all : byNamespace.values()) {
        relate(all).forEach((from, to) -> to.forEach(t -> connect(among, from, t)));
      }
      attributes.putAll(own);
      among.forEach(
          (id, others) -> {
            if (own.containsKey(id) || Ids.logical(id)) {
              edges.computeIfAbsent(id, i -> new TreeSet<>()).addAll(others);
            }
            if (core && Ids.logical(id)) {
              logical.add(id);
            }
          });
    }
    Map<String, Row> rows = new TreeMap<>();
    attributes.forEach((id, a) -> rows.put(id, row(a, edges.getOrDefault(id, Set.of()))));
    logical.forEach(id -> rows.put(id, row(Map.of("name", Ids.name(id)), edges.get(id))));
    return rows;
  }

  private static void connect(Map<String, Set<String>> edges, String a, Set<String> targets) {
    targets.forEach(b -> connect(edges, a, b));
    List<String> names = new ArrayList<>();
    targets.stream().filter(Ids::logical).forEach(names::add);
    if (names.size() == 2) {
      connect(edges, names.get(0), names.get(1));
    }
  }

  private static void connect(Map<String, Set<String>> edges, String a, String b) {
    edges.computeIfAbsent(a, i -> new TreeSet<>()).add(b);
    edges.computeIfAbsent(b, i -> new TreeSet<>()).add(a);
  }

  private static Row row(Map<String, Object> attributes, Set<String> others) {
    Map<String, Set<String>> relationships = new TreeMap<>();
    relationships.put("service", new TreeSet<>());
    relationships.put("pod", new TreeSet<>());
    for (String other : others) {
      relationships.computeIfAbsent(Ids.type(other), t -> new TreeSet<>()).add(other);
    }
    return new Row(attributes, relationships);
  }

  // ---- parts of a manifest ----

  private static boolean ignored(Map<String, Object> manifest) {
    return "true".equals(annotation(manifest, IGNORE));
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> metadata(Map<String, Object> manifest) {
    return (Map<String, Object>) manifest.get("metadata");
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> annotations(Map<String, Object> manifest) {
    return (Map<String, Object>) metadata(manifest).getOrDefault("annotations", Map.of());
  }

  private static String annotation(Map<String, Object> manifest, String name) {
    return (String) annotations(manifest).get(name);
  }

  private static String text(Map<String, Object> manifest) {
    return (String) manifest.get("kind");
  }

  private static String text(Map<String, Object> manifest, String field) {
    return (String) metadata(manifest).getOrDefault(field, "");
  }

  private static Object path(Map<String, Object> from, String first, String second) {
    return ((Map<?, ?>) from.get(first)).get(second);
  }
}
