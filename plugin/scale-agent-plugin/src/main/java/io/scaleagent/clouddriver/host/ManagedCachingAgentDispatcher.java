// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.netflix.spectator.api.Registry;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.Front50ApplicationLoader;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.KubernetesCachingAgent;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.KubernetesCachingAgentDispatcher;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesConfigurationProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesSpinnakerKindMap;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesNamedAccountCredentials;
import java.util.Collection;
import java.util.List;
import org.springframework.lang.Nullable;

/** One caching agent that does nothing for an agent's account; the polling ones for all others. */
public class ManagedCachingAgentDispatcher extends KubernetesCachingAgentDispatcher {
  private final ObjectMapper mapper;
  private final Registry registry;
  private final KubernetesConfigurationProperties properties;
  private final KubernetesSpinnakerKindMap kindMap;
  private final Front50ApplicationLoader front50;
  private final ManagedAccounts accounts;
  private final KubesvcSettings settings;

  public ManagedCachingAgentDispatcher(
      ObjectMapper mapper,
      Registry registry,
      KubernetesConfigurationProperties properties,
      KubernetesSpinnakerKindMap kindMap,
      @Nullable Front50ApplicationLoader front50,
      ManagedAccounts accounts,
      KubesvcSettings settings) {
    super(mapper, registry, properties, kindMap, front50);
    this.mapper = mapper;
    this.registry = registry;
    this.properties = properties;
    this.kindMap = kindMap;
    this.front50 = front50;
    this.accounts = accounts;
    this.settings = settings;
  }

  @Override
  public Collection<KubernetesCachingAgent> buildAllCachingAgents(
      KubernetesNamedAccountCredentials credentials) {
    if (!accounts.manages(credentials.getName())) {
      accounts.unloaded(credentials.getName());
      return super.buildAllCachingAgents(credentials);
    }
    ManagedCachingAgent agent =
        new ManagedCachingAgent(
            credentials, mapper, registry, properties, kindMap, front50, settings);
    accounts.loaded(agent);
    return List.of(agent);
  }
}
