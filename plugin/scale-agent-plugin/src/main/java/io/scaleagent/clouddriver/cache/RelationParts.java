// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * As much of an object as Clouddriver's handlers look at to relate the objects of a namespace:
 * selectors of Services, labels in the templates of ReplicaSets, rules of Ingresses, service names
 * of StatefulSets. It is kept in the index, so that a change of one object needs no other's body.
 */
final class RelationParts {
  private static final String ANNOTATED = "scale-agent";
  private static final Map<String, Set<String>> SPEC =
      Map.of(
          "service", Set.of("selector"),
          "replicaSet", Set.of("selector"),
          "statefulSet", Set.of("selector", "serviceName"),
          "ingress", Set.of("backend", "defaultBackend", "rules"));

  private RelationParts() {}

  /**
   * @param type of the object's row
   * @return null if objects of that type are not related beyond what they say themselves
   */
  static Map<String, Object> of(String type, Map<String, Object> object) {
    Set<String> fields = SPEC.get(type);
    if (fields == null) {
      return null;
    }
    Map<String, Object> part = new TreeMap<>();
    part.put("apiVersion", object.get("apiVersion"));
    part.put("kind", object.get("kind"));
    part.put("metadata", metadata(map(object.get("metadata"))));
    Map<?, ?> spec = map(object.get("spec"));
    Map<String, Object> kept = new TreeMap<>();
    for (String field : fields) {
      if (spec.get(field) != null) {
        kept.put(field, spec.get(field));
      }
    }
    if (spec.containsKey("template")) {
      kept.put("template", template(type, map(spec.get("template"))));
    }
    part.put("spec", kept);
    return part;
  }

  private static Map<String, Object> metadata(Map<?, ?> metadata) {
    Map<String, Object> kept = new TreeMap<>();
    kept.put("name", metadata.get("name"));
    kept.put("namespace", metadata.get("namespace"));
    if (!map(metadata.get("annotations")).isEmpty()) {
      kept.put("annotations", Map.of(ANNOTATED, "")); // that there are any matters
    }
    return kept;
  }

  private static Map<String, Object> template(String type, Map<?, ?> template) {
    Map<String, Object> kept = new TreeMap<>();
    Object labels = map(template.get("metadata")).get("labels");
    if (type.equals("replicaSet")) {
      kept.put("metadata", labels == null ? Map.of() : Map.of("labels", labels));
    }
    return kept;
  }

  private static Map<?, ?> map(Object value) {
    return value instanceof Map ? (Map<?, ?>) value : Map.of();
  }

  /** A part as an object that handlers may look at and change. */
  static KubernetesManifest manifest(Map<String, Object> part) {
    KubernetesManifest manifest = new KubernetesManifest();
    manifest.putAll(part);
    Map<String, Object> metadata = new HashMap<>();
    map(part.get("metadata")).forEach((k, v) -> metadata.put((String) k, v));
    manifest.put("metadata", metadata);
    return manifest;
  }
}
