// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import com.google.gson.Gson;
import com.google.gson.JsonParseException;
import com.netflix.spinnaker.cats.cache.CacheData;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.Keys.InfrastructureCacheKey;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.KubernetesCacheData;
import com.netflix.spinnaker.clouddriver.kubernetes.caching.agent.KubernetesCacheDataConverter;
import com.netflix.spinnaker.clouddriver.kubernetes.description.SpinnakerKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesCachingProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifestAnnotater;
import com.netflix.spinnaker.clouddriver.kubernetes.op.handler.KubernetesHandler;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesCredentials;
import io.scaleagent.clouddriver.accounts.LoadedAccount;
import io.scaleagent.clouddriver.protocol.ObjectKey;
import io.scaleagent.clouddriver.protocol.ScopeType;
import io.scaleagent.clouddriver.protocol.WriteOutcome;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Clouddriver's own converter, for one object at a time: the same calls in the same order as in
 * KubernetesCachingAgent.buildCacheResult, which only knows whole batches and logs each one.
 */
final class ClouddriverConverter implements ObjectConverter {
  private static final Logger log = LoggerFactory.getLogger(ClouddriverConverter.class);
  private static final Gson gson = new Gson(); // as KubectlJobExecutor has it

  private final LoadedAccount account;
  private final KubernetesCredentials credentials;
  private final Set<KubernetesKind> custom;
  private final Predicate<String> applications;

  /**
   * @param applications whether objects of an application become rows
   */
  ClouddriverConverter(LoadedAccount account, Predicate<String> applications) {
    this.account = Objects.requireNonNull(account);
    this.applications = Objects.requireNonNull(applications);
    this.credentials = account.credentials();
    this.custom =
        credentials.getCustomResources().stream()
            .map(r -> KubernetesKind.fromString(r.getKubernetesKind()))
            .collect(Collectors.toSet());
  }

  private static KubernetesKind kind(ScopeType scope) {
    String group = scope.name().group();
    return KubernetesKind.fromString(group.isEmpty() ? scope.kind() : scope.kind() + "." + group);
  }

  @Override
  public String type(ScopeType scope) {
    return kind(scope).toString();
  }

  @Override
  public String id(ScopeType scope, ObjectKey key) {
    return InfrastructureCacheKey.createKey(
        kind(scope), account.name(), key.namespace(), key.name());
  }

  @Override
  public Collection<String> stickyTypes() {
    return List.of("service", "pod");
  }

  @Override
  public Conversion convert(ScopeType scope, ObjectKey key, ByteBuffer object) {
    String json = StandardCharsets.UTF_8.decode(object).toString();
    if (!JsonDepth.isBounded(json)) {
      return Conversion.none(
          WriteOutcome.REJECTED, "it is nested deeper than " + JsonDepth.MOST + " levels");
    }
    try {
      KubernetesManifest manifest = gson.fromJson(json, KubernetesManifest.class);
      return convert(kind(scope), key, manifest);
    } catch (JsonParseException e) {
      return Conversion.none(WriteOutcome.REJECTED, "it is no JSON: " + e.getMessage());
    } catch (RuntimeException e) {
      log.debug("account {}: {} {}", account.name(), scope.kind(), key, e);
      return Conversion.none(WriteOutcome.REJECTED, "Clouddriver can't convert it: " + e);
    }
  }

  private Conversion convert(KubernetesKind kind, ObjectKey key, KubernetesManifest manifest) {
    if (manifest == null
        || !manifest.getKind().equals(kind)
        || !manifest.getNamespace().equals(key.namespace())
        || !key.name().equals(manifest.getName())) {
      return Conversion.none(WriteOutcome.REJECTED, "it is another object than its key says");
    }
    if (!account.caches(kind)) {
      return Conversion.none(WriteOutcome.FILTERED, "its kind is not cached");
    }
    KubernetesHandler handler = handler(kind);
    Map<String, Object> part = RelationParts.of(kind.toString(), manifest);
    Map<KubernetesManifest, List<KubernetesManifest>> own = new HashMap<>();
    addRelationships(handler, Map.of(kind, List.of(manifest)), own);
    handler.removeSensitiveKeys(manifest);
    if (!accepts(kind, manifest)) {
      return Conversion.none(WriteOutcome.FILTERED, "the account's settings leave it out");
    }
    KubernetesCacheData made = new KubernetesCacheData();
    KubernetesCacheDataConverter.convertAsResource(
        made,
        account.name(),
        credentials.getKubernetesSpinnakerKindMap(),
        credentials.getNamer(),
        manifest,
        own.getOrDefault(manifest, List.of()),
        credentials.isCacheAllApplicationRelationships());
    CacheData row = row(made, kind, key);
    Set<String> links = new HashSet<>();
    row.getRelationships().values().forEach(links::addAll);
    return Conversion.row(group(handler, kind), row.getAttributes(), links, part);
  }

  private CacheData row(KubernetesCacheData made, KubernetesKind kind, ObjectKey key) {
    String id = InfrastructureCacheKey.createKey(kind, account.name(), key.namespace(), key.name());
    return made.toStratifiedCacheData().getOrDefault(kind.toString(), List.of()).stream()
        .filter(r -> r.getId().equals(id))
        .findFirst()
        .orElseThrow(() -> new IllegalStateException("there is no row " + id));
  }

  /** The rule of KubernetesCachingAgent.shouldCacheManifest. */
  private boolean accepts(KubernetesKind kind, KubernetesManifest manifest) {
    KubernetesCachingProperties said = KubernetesManifestAnnotater.getCachingProperties(manifest);
    if (said.isIgnore()) {
      return false;
    }
    if (credentials.isOnlySpinnakerManaged() && said.getApplication().isEmpty()) {
      return false;
    }
    SpinnakerKind spinnakerKind =
        credentials.getKubernetesSpinnakerKindMap().translateKubernetesKind(kind);
    return !KubernetesCacheDataConverter.getLogicalRelationshipKinds().contains(spinnakerKind)
        || applications.test(credentials.getNamer().deriveMoniker(manifest).getApp());
  }

  private KubernetesHandler handler(KubernetesKind kind) {
    return credentials.getResourcePropertyRegistry().get(kind).getHandler();
  }

  /** Stock has an agent for built-in kinds, one for each configured custom kind, one for others. */
  private String group(KubernetesHandler handler, KubernetesKind kind) {
    if (custom.contains(kind)) {
      return "custom " + kind;
    }
    return handler.kind().equals(KubernetesKind.NONE) ? "custom" : CORE;
  }

  private void addRelationships(
      KubernetesHandler handler,
      Map<KubernetesKind, List<KubernetesManifest>> all,
      Map<KubernetesManifest, List<KubernetesManifest>> into) {
    try {
      handler.addRelationships(all, into);
    } catch (RuntimeException e) {
      log.warn("Account {}: relationships of {} can't be told", account.name(), handler.kind(), e);
    }
  }

  @Override
  public Map<String, Set<String>> relate(Map<String, Map<String, Object>> parts) {
    Map<String, KubernetesManifest> manifests = new TreeMap<>();
    Map<KubernetesKind, List<KubernetesManifest>> all = new HashMap<>();
    parts.forEach(
        (id, part) -> {
          KubernetesManifest manifest = RelationParts.manifest(part);
          manifests.put(id, manifest);
          all.computeIfAbsent(manifest.getKind(), k -> new ArrayList<>()).add(manifest);
        });
    Map<KubernetesManifest, List<KubernetesManifest>> found = new HashMap<>();
    all.keySet().forEach(kind -> addRelationships(handler(kind), all, found));
    Map<String, Set<String>> related = new HashMap<>();
    manifests.forEach(
        (id, manifest) -> {
          // Stock reads the annotations between asking for relationships and looking them up, and
          // so puts an empty map into an object without: as a key it is another one from then on,
          // and its relationships are lost. So they are here.
          KubernetesManifestAnnotater.getCachingProperties(manifest);
          Set<String> targets = new HashSet<>();
          for (KubernetesManifest target : found.getOrDefault(manifest, List.of())) {
            targets.add(
                InfrastructureCacheKey.createKey(
                    target.getKind(), account.name(), manifest.getNamespace(), target.getName()));
          }
          related.put(id, targets);
        });
    return related;
  }
}
