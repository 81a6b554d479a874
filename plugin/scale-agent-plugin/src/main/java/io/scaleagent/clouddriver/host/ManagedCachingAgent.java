// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.netflix.spectator.api.Registry;
import com.netflix.spinnaker.cats.agent.AgentDataType;
import com.netflix.spinnaker.cats.agent.CacheResult;
import com.netflix.spinnaker.cats.agent.DefaultCacheResult;
import com.netflix.spinnaker.cats.provider.ProviderCache;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.Keys.LogicalKind;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.Front50ApplicationLoader;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.KubernetesCachingAgent;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesConfigurationProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesSpinnakerKindMap;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesCredentials;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesNamedAccountCredentials;
import io.scaleagent.clouddriver.accounts.LoadedAccount;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Stands in Clouddriver for an account whose agent streams: the rows are its, so that nobody takes
 * them for forgotten ones. It never lists and never evicts.
 */
public class ManagedCachingAgent extends KubernetesCachingAgent implements LoadedAccount {
  private final KubernetesCredentials credentials;
  private final List<KubernetesKind> kinds;
  private final Set<KubernetesKind> cached;

  /**
   * @param front50 null if Clouddriver has none
   */
  ManagedCachingAgent(
      KubernetesNamedAccountCredentials account,
      ObjectMapper mapper,
      Registry registry,
      KubernetesConfigurationProperties properties,
      KubernetesSpinnakerKindMap kindMap,
      Front50ApplicationLoader front50,
      KubesvcSettings settings) {
    // Clouddriver calls loadData now and then; once a day is as good as any, and spares its locks.
    super(account, mapper, registry, 0, 1, TimeUnit.DAYS.toMillis(1), properties, kindMap, front50);
    this.credentials = account.getCredentials();
    this.kinds =
        settings.cacheKinds().stream().map(KubernetesKind::fromString).collect(Collectors.toList());
    this.cached = Set.copyOf(kinds);
  }

  @Override
  protected List<KubernetesKind> primaryKinds() {
    return kinds;
  }

  @Override
  public Collection<AgentDataType> getProvidedDataTypes() {
    return Stream.concat(Stream.of(LogicalKind.APPLICATIONS, LogicalKind.CLUSTERS), kinds.stream())
        .map(Object::toString)
        .map(AgentDataType.Authority.AUTHORITATIVE::forType)
        .collect(Collectors.toSet());
  }

  /** No type is in the result, so nothing is written and nothing is evicted. */
  @Override
  public CacheResult loadData(ProviderCache cache) {
    return new DefaultCacheResult(Map.of());
  }

  @Override
  public String name() {
    return getAccountName();
  }

  @Override
  public String agentType() {
    return getAgentType();
  }

  @Override
  public KubernetesCredentials credentials() {
    return credentials;
  }

  @Override
  public boolean caches(KubernetesKind kind) {
    return cached.contains(kind);
  }
}
