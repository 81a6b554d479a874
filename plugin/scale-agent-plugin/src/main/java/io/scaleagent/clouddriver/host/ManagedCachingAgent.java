// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import com.netflix.spectator.api.Registry;
import com.netflix.spinnaker.cats.agent.AgentDataType;
import com.netflix.spinnaker.cats.agent.CacheResult;
import com.netflix.spinnaker.cats.agent.DefaultCacheResult;
import com.netflix.spinnaker.cats.cache.CacheData;
import com.netflix.spinnaker.cats.provider.ProviderCache;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.Keys.LogicalKind;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.Front50ApplicationLoader;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.KubernetesCachingAgent;
import com.netflix.spinnaker.clouddriver.kubernetes.config.CustomKubernetesResource;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesConfigurationProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesSpinnakerKindMap;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesCredentials;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesNamedAccountCredentials;
import io.scaleagent.clouddriver.accounts.LoadedAccount;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Stands in Clouddriver for an account whose agent streams: the rows are its, so that nobody takes
 * them for forgotten ones, and it has Clouddriver's converter. It never lists and never evicts.
 */
public class ManagedCachingAgent extends KubernetesCachingAgent implements LoadedAccount {
  private final KubernetesCredentials credentials;
  private final KubernetesConfigurationProperties properties;
  private final Front50ApplicationLoader front50;
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
    this.properties = properties;
    this.front50 = front50;
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

  @Override
  public Map<String, Collection<CacheData>> convert(
      Map<KubernetesKind, List<KubernetesManifest>> objects) {
    return buildCacheResult(objects).getCacheResults();
  }

  @Override
  public String settings() {
    Hasher hash = Hashing.sha256().newHasher();
    put(hash, "kinds", kinds.stream().map(Object::toString).collect(Collectors.toSet()));
    put(hash, "managed", Set.of(String.valueOf(credentials.isOnlySpinnakerManaged())));
    put(
        hash,
        "relationships",
        Set.of(String.valueOf(credentials.isCacheAllApplicationRelationships())));
    Set<String> custom = new TreeSet<>();
    for (CustomKubernetesResource resource : credentials.getCustomResources()) {
      custom.add(resource.getKubernetesKind() + "=" + resource.getSpinnakerKind());
    }
    put(hash, "custom", custom);
    if (properties.getCache().isCheckApplicationInFront50()) {
      put(hash, "front50", front50 == null ? Set.of() : front50.getData());
    }
    return hash.hash().toString().substring(0, 32);
  }

  private static void put(Hasher hash, String name, Set<String> values) {
    String text = name + new TreeSet<>(values) + "\n";
    hash.putString(text, StandardCharsets.UTF_8);
  }
}
