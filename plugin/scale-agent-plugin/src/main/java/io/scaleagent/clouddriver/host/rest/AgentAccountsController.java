// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.rest;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesSelectorList;
import io.scaleagent.clouddriver.accounts.AccountCatalog;
import io.scaleagent.clouddriver.accounts.AgentAccount;
import io.scaleagent.clouddriver.host.AgentOperations;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

/** The accounts that agents bring. */
@RestController
public class AgentAccountsController {
  private final AccountCatalog catalog;
  private final AgentOperations operations;
  private final ObjectMapper mapper;

  public AgentAccountsController(
      AccountCatalog catalog, AgentOperations operations, ObjectMapper mapper) {
    this.catalog = catalog;
    this.operations = operations;
    this.mapper = mapper;
  }

  @GetMapping("/agents/kubernetes/accounts/{accountName}")
  public ResponseEntity<Object> account(@PathVariable("accountName") String name) {
    return Answer.of(() -> json(find(name)));
  }

  /** The configured namespaces, else those of the cluster. */
  @GetMapping("/agents/kubernetes/accounts/{accountName}/namespaces")
  public ResponseEntity<Object> namespaces(@PathVariable("accountName") String name) {
    return Answer.of(() -> namespacesOf(name));
  }

  private List<String> namespacesOf(String name) {
    AccountProperties properties = find(name).properties();
    if (!properties.namespaces().isEmpty()) {
      return properties.namespaces();
    }
    return operations
        .list(name, List.of(KubernetesKind.NAMESPACE), "", new KubernetesSelectorList())
        .stream()
        .map(KubernetesManifest::getName)
        .filter(n -> !properties.omitNamespaces().contains(n))
        .sorted()
        .collect(Collectors.toList());
  }

  private AgentAccount find(String name) {
    return catalog
        .account(name)
        .orElseThrow(() -> Problem.notFound("no agent brings account " + name));
  }

  private Map<String, Object> json(AgentAccount account) {
    AccountProperties p = account.properties();
    Map<String, Object> definition = new LinkedHashMap<>();
    definition.put("name", account.name());
    definition.put("kinds", p.kinds());
    definition.put("omitKinds", p.omitKinds());
    definition.put("namespaces", p.namespaces());
    definition.put("omitNamespaces", p.omitNamespaces());
    definition.put("onlySpinnakerManaged", p.onlySpinnakerManaged());
    definition.put("onlyNamespacedResources", p.onlyNamespacedResources());
    Map<String, Object> properties = new LinkedHashMap<>();
    properties.put("clusterId", p.clusterId());
    properties.put("agentId", account.agentId());
    properties.put("clouddriverId", account.clouddriverId());

    Map<String, Object> json = new LinkedHashMap<>();
    json.put("name", account.name());
    json.put("status", account.connections() > 0 ? "ACTIVE" : "ORPHANED");
    json.put("zoneId", account.zoneId());
    json.put("dynamic", false);
    json.put("connections", account.connections());
    json.put("kubeHost", p.server());
    json.put("kubeVersion", p.serverVersion());
    json.put("certFingerprint", p.certificateSha256());
    json.put("permissions", new TreeMap<>(p.permissions()));
    json.put("definition", definition);
    json.put("definitionAsString", text(definition));
    json.put("properties", properties);
    json.put("propertiesAsString", text(properties));
    json.put("lastUpdated", account.updated().toEpochMilli());
    return json;
  }

  private String text(Object value) {
    try {
      return mapper.writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("maps of strings are always JSON", e);
    }
  }
}
