// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.caching.agent;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.netflix.spectator.api.Registry;
import com.netflix.spinnaker.cats.agent.AccountAware;
import com.netflix.spinnaker.cats.agent.AgentIntervalAware;
import com.netflix.spinnaker.cats.agent.CacheResult;
import com.netflix.spinnaker.cats.agent.CachingAgent;
import com.netflix.spinnaker.cats.provider.ProviderCache;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesConfigurationProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesSpinnakerKindMap;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesCredentials;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesNamedAccountCredentials;
import io.scaleagent.clouddriver.api.Declaration;
import java.util.List;
import java.util.Map;

/**
 * Reads an account and makes rows of it. Clouddriver 5.79.0 (Spinnaker 1.29) to 2026.x; before
 * without the Front50ApplicationLoader.
 */
public abstract class KubernetesCachingAgent
    implements AgentIntervalAware, CachingAgent, AccountAware {
  protected final String accountName;
  protected final KubernetesCredentials credentials;
  protected final Long agentInterval;
  protected final KubernetesConfigurationProperties configurationProperties;

  protected KubernetesCachingAgent(
      KubernetesNamedAccountCredentials namedAccountCredentials,
      ObjectMapper objectMapper,
      Registry registry,
      int agentIndex,
      int agentCount,
      Long agentInterval,
      KubernetesConfigurationProperties configurationProperties,
      KubernetesSpinnakerKindMap kubernetesSpinnakerKindMap,
      Front50ApplicationLoader front50ApplicationLoader) {
    this.accountName = namedAccountCredentials.getName();
    this.credentials = namedAccountCredentials.getCredentials();
    this.agentInterval = agentInterval;
    this.configurationProperties = configurationProperties;
  }

  protected abstract List<KubernetesKind> primaryKinds();

  /** primaryKinds less what kubernetes.cache.* leaves out. */
  protected List<KubernetesKind> filteredPrimaryKinds() {
    throw Declaration.only();
  }

  @Override
  public CacheResult loadData(ProviderCache providerCache) {
    throw Declaration.only();
  }

  /**
   * Rows of these objects, with relationships among them alone. Changes the objects: what is secret
   * is taken out.
   */
  protected CacheResult buildCacheResult(Map<KubernetesKind, List<KubernetesManifest>> resources) {
    throw Declaration.only();
  }

  /** ACCOUNT/simple class name[index + 1/count]. */
  @Override
  public String getAgentType() {
    return accountName + "/" + getClass().getSimpleName() + "[1/1]";
  }

  @Override
  public String getAccountName() {
    return accountName;
  }

  @Override
  public String getProviderName() {
    return "kubernetes";
  }

  @Override
  public Long getAgentInterval() {
    return agentInterval;
  }
}
