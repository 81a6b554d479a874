// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.protobuf.ByteString;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesPodMetric;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesPodMetric.ContainerMetric;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Bodies of results that are no objects of Kubernetes. Each throws a JsonParseException if it can't
 * be read.
 */
final class Answers {
  private Answers() {}

  private static JsonArray array(ByteString body) {
    if (body.isEmpty()) {
      return new JsonArray();
    }
    JsonElement value = JsonParser.parseString(body.toStringUtf8());
    if (!value.isJsonArray()) {
      throw new JsonParseException("it is no array");
    }
    return value.getAsJsonArray();
  }

  private static JsonObject object(JsonElement element) {
    if (!element.isJsonObject()) {
      throw new JsonParseException("an item is no object");
    }
    return element.getAsJsonObject();
  }

  private static String text(JsonObject object, String name) {
    JsonElement value = object.get(name);
    if (value == null || !value.isJsonPrimitive()) {
      throw new JsonParseException("an item has no \"" + name + "\"");
    }
    return value.getAsString();
  }

  /** Of DeleteOperation: what was deleted, by name. */
  static List<String> names(ByteString body) {
    List<String> names = new ArrayList<>();
    for (JsonElement e : array(body)) {
      names.add(e.isJsonObject() ? text(object(e), "name") : e.getAsString());
    }
    return names;
  }

  /** Of RolloutOperation HISTORY: oldest first. */
  static List<Integer> revisions(ByteString body) {
    List<Integer> revisions = new ArrayList<>();
    for (JsonElement e : array(body)) {
      revisions.add(
          Integer.valueOf(e.isJsonObject() ? text(object(e), "revision") : e.getAsString()));
    }
    return revisions;
  }

  /** Of TopOperation, under the headings of kubectl top. */
  static List<KubernetesPodMetric> pods(ByteString body, String namespace) {
    List<KubernetesPodMetric> pods = new ArrayList<>();
    for (JsonElement e : array(body)) {
      JsonObject pod = object(e);
      JsonElement containers = pod.get("containers");
      if (containers == null || !containers.isJsonArray()) {
        throw new JsonParseException("a pod has no containers");
      }
      List<ContainerMetric> metrics = new ArrayList<>();
      for (JsonElement c : containers.getAsJsonArray()) {
        JsonObject container = object(c);
        metrics.add(
            new ContainerMetric(
                text(container, "name"),
                Map.of(
                    "CPU(cores)", text(container, "cpu"),
                    "MEMORY(bytes)", text(container, "memory"))));
      }
      pods.add(new KubernetesPodMetric(text(pod, "pod"), namespace, metrics));
    }
    return pods;
  }
}
