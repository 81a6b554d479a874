// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.scaleagent.clouddriver.protocol.ObjectKey;
import io.scaleagent.clouddriver.protocol.ScopeName;
import io.scaleagent.clouddriver.protocol.ScopeType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/**
 * A cluster that changes at random: objects of all kinds that Clouddriver relates to each other,
 * whose names, labels, owners and selectors meet often.
 */
final class Cluster {
  static final ScopeType DEPLOYMENTS = scope("apps", "deployments", "v1", "Deployment");
  static final ScopeType REPLICA_SETS = scope("apps", "replicasets", "v1", "ReplicaSet");
  static final ScopeType STATEFUL_SETS = scope("apps", "statefulsets", "v1", "StatefulSet");
  static final ScopeType PODS = scope("", "pods", "v1", "Pod");
  static final ScopeType SERVICES = scope("", "services", "v1", "Service");
  static final ScopeType INGRESSES = scope("networking.k8s.io", "ingresses", "v1", "Ingress");
  static final ScopeType POLICIES =
      scope("networking.k8s.io", "networkpolicies", "v1", "NetworkPolicy");
  static final ScopeType ROLLOUTS = scope("argoproj.io", "rollouts", "v1alpha1", "Rollout");
  static final List<ScopeType> SCOPES =
      List.of(
          DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, PODS, SERVICES, INGRESSES, POLICIES, ROLLOUTS);

  private static final ObjectMapper mapper = new ObjectMapper();
  private static final int NAMES = 4;

  private final Random random;
  private final Map<ScopeType, Map<ObjectKey, Map<String, Object>>> objects = new LinkedHashMap<>();
  private int revision;

  /** A change that was made. */
  static final class Change {
    final ScopeType scope;
    final ObjectKey key;

    /** Null if it is deleted. */
    final Map<String, Object> object;

    Change(ScopeType scope, ObjectKey key, Map<String, Object> object) {
      this.scope = scope;
      this.key = key;
      this.object = object;
    }
  }

  Cluster(long seed) {
    this.random = new Random(seed);
    SCOPES.forEach(s -> objects.put(s, new TreeMap<>(Cluster::compare)));
  }

  private static int compare(ObjectKey a, ObjectKey b) {
    return a.toString().compareTo(b.toString());
  }

  private static ScopeType scope(String group, String resource, String version, String kind) {
    return new ScopeType(new ScopeName(group, resource, ""), version, kind, true);
  }

  /** All objects of a scope, by name. */
  Map<ObjectKey, Map<String, Object>> objects(ScopeType scope) {
    return objects.get(scope);
  }

  static ByteBuffer json(Map<String, Object> object) {
    try {
      return ByteBuffer.wrap(mapper.writeValueAsString(object).getBytes(StandardCharsets.UTF_8));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Changes one object, or makes or deletes one. */
  Change change() {
    ScopeType scope = SCOPES.get(random.nextInt(SCOPES.size()));
    ObjectKey key = new ObjectKey(pick("n1", "n2"), pick("web", "api", "db", "web-v000"));
    if (objects.get(scope).containsKey(key) && random.nextInt(3) == 0) {
      objects.get(scope).remove(key);
      return new Change(scope, key, null);
    }
    Map<String, Object> object = make(scope, key);
    objects.get(scope).put(key, object);
    return new Change(scope, key, object);
  }

  private Map<String, Object> make(ScopeType scope, ObjectKey key) {
    Map<String, Object> metadata = new TreeMap<>();
    metadata.put("name", key.name());
    metadata.put("namespace", key.namespace());
    metadata.put("uid", "uid-" + ++revision);
    metadata.put("labels", labels());
    // Without annotations stock loses what a selector finds; the model does as stock does.
    if (random.nextInt(6) != 0) {
      metadata.put("annotations", annotations());
    }
    if (random.nextBoolean()) {
      metadata.put("ownerReferences", owners(scope));
    }
    Map<String, Object> object = new TreeMap<>();
    String group = scope.name().group();
    object.put("apiVersion", group.isEmpty() ? scope.version() : group + "/" + scope.version());
    object.put("kind", scope.kind());
    object.put("metadata", metadata);
    object.put("spec", spec(scope));
    object.put("status", Map.of("revision", revision));
    return object;
  }

  private Map<String, String> labels() {
    Map<String, String> labels = new TreeMap<>();
    labels.put("app", pick("web", "api"));
    if (random.nextBoolean()) {
      labels.put("tier", pick("front", "back"));
    }
    return labels;
  }

  private Map<String, String> annotations() {
    Map<String, String> annotations = new TreeMap<>();
    annotations.put("note", "x");
    if (random.nextBoolean()) {
      annotations.put("moniker.spinnaker.io/application", pick("shop", "blog"));
    }
    if (random.nextInt(3) == 0) {
      annotations.put("moniker.spinnaker.io/cluster", pick("deployment web", "replicaSet api"));
    }
    if (random.nextInt(8) == 0) {
      annotations.put("caching.spinnaker.io/ignore", "true");
    }
    return annotations;
  }

  private List<Map<String, Object>> owners(ScopeType scope) {
    Map<String, Object> owner = new TreeMap<>();
    switch (scope.kind()) {
      case "Pod":
        owner.put("apiVersion", "apps/v1");
        owner.put("kind", pick("ReplicaSet", "StatefulSet"));
        break;
      case "ReplicaSet":
        boolean rollout = random.nextInt(3) == 0;
        owner.put("apiVersion", rollout ? "argoproj.io/v1alpha1" : "apps/v1");
        owner.put("kind", rollout ? "Rollout" : "Deployment");
        break;
      default:
        owner.put("apiVersion", "apps/v1");
        owner.put("kind", "Deployment");
    }
    owner.put("name", pick("web", "api", "db", "web-v000"));
    owner.put("uid", "uid-" + random.nextInt(50));
    return List.of(owner);
  }

  private Map<String, Object> spec(ScopeType scope) {
    Map<String, Object> spec = new TreeMap<>();
    spec.put("replicas", random.nextInt(NAMES));
    switch (scope.kind()) {
      case "ReplicaSet":
        spec.put("selector", Map.of("matchLabels", Map.of()));
        spec.put("template", Map.of("metadata", Map.of("labels", labels())));
        break;
      case "Service":
        if (random.nextInt(5) != 0) {
          spec.put("selector", random.nextBoolean() ? labels() : Map.of("app", pick("web", "api")));
        }
        break;
      case "StatefulSet":
        spec.put("selector", Map.of("matchLabels", Map.of()));
        spec.put("template", new HashMap<>());
        spec.put("serviceName", pick("web", "api", ""));
        break;
      case "Ingress":
        spec.put("rules", rules());
        break;
      default:
    }
    return spec;
  }

  private List<Map<String, Object>> rules() {
    List<Map<String, Object>> paths = new ArrayList<>();
    for (int i = 0; i < 1 + random.nextInt(2); i++) {
      paths.add(
          Map.of(
              "path",
              "/" + i,
              "pathType",
              "Prefix",
              "backend",
              Map.of(
                  "service",
                  Map.of("name", pick("web", "api", "db"), "port", Map.of("number", 80)))));
    }
    return List.of(Map.of("http", Map.of("paths", paths)));
  }

  private String pick(String... of) {
    return of[random.nextInt(of.length)];
  }
}
