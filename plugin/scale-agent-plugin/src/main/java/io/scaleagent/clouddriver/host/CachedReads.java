// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.netflix.spinnaker.cats.cache.CacheData;
import com.netflix.spinnaker.cats.provider.ProviderCache;
import com.netflix.spinnaker.cats.provider.ProviderRegistry;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.Keys.InfrastructureCacheKey;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.KubernetesProvider;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.KubernetesCacheDataConverter;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesSelectorList;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;
import org.springframework.beans.factory.ObjectProvider;

/**
 * Answers from the rows that the agent's stream keeps: they are as new as the stream. What is in no
 * row (kinds that are not cached, Secrets' data, events) can't be had, and that is said.
 */
public class CachedReads implements AgentOperations {
  private final ObjectProvider<ProviderRegistry> providers;
  private final KubesvcSettings settings;
  private final ManagedAccounts accounts;

  public CachedReads(
      ObjectProvider<ProviderRegistry> providers,
      KubesvcSettings settings,
      ManagedAccounts accounts) {
    this.providers = providers;
    this.settings = settings;
    this.accounts = accounts;
  }

  @Override
  public KubernetesManifest get(
      String account, KubernetesKind kind, String namespace, String name) {
    check(account, kind, "get");
    String key =
        InfrastructureCacheKey.createKey(kind, account, namespace == null ? "" : namespace, name);
    CacheData row = cache().get(kind.toString(), key);
    return row == null ? null : KubernetesCacheDataConverter.getManifest(row);
  }

  @Override
  public List<KubernetesManifest> list(
      String account,
      List<KubernetesKind> kinds,
      String namespace,
      KubernetesSelectorList selectors) {
    List<KubernetesManifest> found = new ArrayList<>();
    for (KubernetesKind kind : kinds) {
      check(account, kind, "list");
      if (selectors.isNotEmpty()) {
        throw AgentOperations.unavailable(account, "list with label selectors");
      }
      rows(account, kind, namespace).stream()
          .map(KubernetesCacheDataConverter::getManifest)
          .forEach(found::add);
      if (found.isEmpty() && kind.equals(KubernetesKind.NAMESPACE)) {
        accounts.noNamespacesYet(account);
      }
    }
    return found;
  }

  /** Whether the account has rows of its namespaces. */
  public boolean hasNamespaces(String account) {
    return !keys(account, KubernetesKind.NAMESPACE, "").isEmpty();
  }

  @Override
  public List<KubernetesManifest> eventsFor(
      String account, KubernetesKind kind, String namespace, String name) {
    throw AgentOperations.unavailable(account, "reading events");
  }

  private void check(String account, KubernetesKind kind, String operation) {
    boolean cached =
        settings.cacheKinds().stream().map(KubernetesKind::fromString).anyMatch(kind::equals);
    if (!cached || kind.equals(KubernetesKind.SECRET)) {
      throw AgentOperations.unavailable(account, operation + " " + kind);
    }
  }

  private Collection<CacheData> rows(String account, KubernetesKind kind, String namespace) {
    return cache().getAll(kind.toString(), keys(account, kind, namespace));
  }

  private Collection<String> keys(String account, KubernetesKind kind, String namespace) {
    boolean all = namespace == null || namespace.isEmpty() || kind.equals(KubernetesKind.NAMESPACE);
    // A key with a mark in place of namespace and name, cut there.
    String prefix = InfrastructureCacheKey.createKey(kind, account, all ? "?" : namespace, "?");
    String before = prefix.substring(0, prefix.length() - (all ? 3 : 1));
    return cache().filterIdentifiers(kind.toString(), before + "*").stream()
        .filter(key -> key.startsWith(before))
        .collect(Collectors.toList());
  }

  private ProviderCache cache() {
    return providers.getObject().getProviderCache(KubernetesProvider.PROVIDER_NAME);
  }
}
