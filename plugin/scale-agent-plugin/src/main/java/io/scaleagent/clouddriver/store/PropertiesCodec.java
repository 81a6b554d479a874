// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** An account's properties as the text that is stored. Fields are only added. */
final class PropertiesCodec {
  private static final ObjectMapper mapper = new ObjectMapper();

  private PropertiesCodec() {}

  static String encode(AccountProperties p) {
    ObjectNode json = mapper.createObjectNode();
    json.put("server", p.server());
    json.put("certificateSha256", p.certificateSha256());
    json.put("serverVersion", p.serverVersion());
    json.put("clusterId", p.clusterId());
    json.set("permissions", mapper.valueToTree(new TreeMap<>(p.permissions())));
    json.set("kinds", mapper.valueToTree(p.kinds()));
    json.set("omitKinds", mapper.valueToTree(p.omitKinds()));
    json.set("namespaces", mapper.valueToTree(p.namespaces()));
    json.set("omitNamespaces", mapper.valueToTree(p.omitNamespaces()));
    json.put("onlySpinnakerManaged", p.onlySpinnakerManaged());
    json.put("onlyNamespacedResources", p.onlyNamespacedResources());
    return json.toString();
  }

  /**
   * @throws IllegalStateException if it is not what {@link #encode} made
   */
  static AccountProperties decode(String text) {
    try {
      JsonNode json = mapper.readTree(text);
      Map<String, List<String>> permissions = new LinkedHashMap<>();
      json.path("permissions")
          .fields()
          .forEachRemaining(e -> permissions.put(e.getKey(), strings(e.getValue())));
      return new AccountProperties(
          json.path("server").asText(),
          json.path("certificateSha256").asText(),
          json.path("serverVersion").asText(),
          json.path("clusterId").asText(),
          permissions,
          strings(json.path("kinds")),
          strings(json.path("omitKinds")),
          strings(json.path("namespaces")),
          strings(json.path("omitNamespaces")),
          json.path("onlySpinnakerManaged").asBoolean(),
          json.path("onlyNamespacedResources").asBoolean());
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("the stored properties of an account can't be read", e);
    }
  }

  private static List<String> strings(JsonNode array) {
    List<String> all = new ArrayList<>();
    array.forEach(n -> all.add(n.asText()));
    return all;
  }
}
