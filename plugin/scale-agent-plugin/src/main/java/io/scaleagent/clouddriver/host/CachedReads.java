// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.netflix.spinnaker.cats.provider.ProviderCache;
import com.netflix.spinnaker.cats.provider.ProviderRegistry;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.Keys.InfrastructureCacheKey;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.KubernetesProvider;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.KubernetesCacheDataConverter;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesSelectorList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.springframework.beans.factory.ObjectProvider;

/**
 * What Clouddriver asks for every half minute, and of every account: its namespaces and custom
 * kinds. The rows that the agent's stream keeps are as new as the stream, need no agent at this
 * moment, and cost no request.
 */
public class CachedReads {
  private static final Set<KubernetesKind> ASKED_ALL_THE_TIME =
      Set.of(KubernetesKind.NAMESPACE, KubernetesKind.CUSTOM_RESOURCE_DEFINITION);

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

  /** Whether the rows are what to answer from: all objects of one of those kinds. */
  boolean serve(List<KubernetesKind> kinds, String namespace, KubernetesSelectorList selectors) {
    return kinds.size() == 1
        && ASKED_ALL_THE_TIME.contains(kinds.get(0))
        && (namespace == null || namespace.isEmpty())
        && selectors.isEmpty()
        && settings.cacheKinds().stream()
            .map(KubernetesKind::fromString)
            .anyMatch(kinds.get(0)::equals);
  }

  /** All objects of the kind, which {@link #serve} allows; in any order. */
  List<KubernetesManifest> list(String account, KubernetesKind kind) {
    List<KubernetesManifest> found =
        cache().getAll(kind.toString(), keys(account, kind)).stream()
            .map(KubernetesCacheDataConverter::getManifest)
            .collect(Collectors.toList());
    if (found.isEmpty() && kind.equals(KubernetesKind.NAMESPACE)) {
      accounts.noNamespacesYet(account);
    }
    return found;
  }

  /** Which of these accounts have rows of their namespaces. */
  public Set<String> withNamespaces(Set<String> names) {
    return accounts.storing(names, "", "namespaces");
  }

  private boolean stored(String account, KubernetesKind kind) {
    Set<String> one = Set.of(account);
    return !(kind.equals(KubernetesKind.NAMESPACE)
            ? withNamespaces(one)
            : accounts.storing(one, "apiextensions.k8s.io", "customresourcedefinitions"))
        .isEmpty();
  }

  private Collection<String> keys(String account, KubernetesKind kind) {
    // Before any account stored one, there is no table of them, of which Clouddriver says so at
    // length.
    if (!stored(account, kind)) {
      return List.of();
    }
    // A key with a mark in place of namespace and name, cut there.
    String prefix = InfrastructureCacheKey.createKey(kind, account, "?", "?");
    String before = prefix.substring(0, prefix.length() - 3);
    return cache().filterIdentifiers(kind.toString(), before + "*").stream()
        .filter(key -> key.startsWith(before))
        .collect(Collectors.toList());
  }

  private ProviderCache cache() {
    return providers.getObject().getProviderCache(KubernetesProvider.PROVIDER_NAME);
  }
}
