// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.caching;

import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import io.scaleagent.clouddriver.api.Declaration;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** The keys of the provider's rows. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class Keys {
  private static String key(Object... parts) {
    return "kubernetes.v2:"
        + Arrays.stream(parts)
            .map(p -> p == null ? "" : p.toString().replace(':', ';'))
            .collect(Collectors.joining(":"));
  }

  /** A key, taken apart. */
  public abstract static class CacheKey {
    /** The type of the rows with such keys. */
    public abstract String getGroup();

    public abstract String getName();
  }

  /** Groupings by name, which no object of Kubernetes stands for. */
  public enum LogicalKind {
    APPLICATIONS,
    CLUSTERS;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** Empty for what is no key of this provider. */
  public static Optional<CacheKey> parseKey(String key) {
    throw Declaration.only();
  }

  /** Keys of LogicalKind. */
  public abstract static class LogicalKey extends CacheKey {
    public abstract LogicalKind getLogicalKind();
  }

  /** Key of an application. */
  public static class ApplicationCacheKey extends LogicalKey {
    private final String name;

    public ApplicationCacheKey(String name) {
      this.name = name;
    }

    public static String createKey(String name) {
      return key("logical", LogicalKind.APPLICATIONS, name);
    }

    @Override
    public LogicalKind getLogicalKind() {
      return LogicalKind.APPLICATIONS;
    }

    @Override
    public String getGroup() {
      return LogicalKind.APPLICATIONS.toString();
    }

    @Override
    public String getName() {
      return name;
    }
  }

  /** Key of a cluster (of an application). */
  public static class ClusterCacheKey extends LogicalKey {
    private final String account;
    private final String application;
    private final String name;

    public ClusterCacheKey(String account, String application, String name) {
      this.account = account;
      this.application = application;
      this.name = name;
    }

    public static String createKey(String account, String application, String name) {
      return key("logical", LogicalKind.CLUSTERS, account, application, name);
    }

    public String getAccount() {
      return account;
    }

    public String getApplication() {
      return application;
    }

    @Override
    public LogicalKind getLogicalKind() {
      return LogicalKind.CLUSTERS;
    }

    @Override
    public String getGroup() {
      return LogicalKind.CLUSTERS.toString();
    }

    @Override
    public String getName() {
      return name;
    }
  }

  /** Key of an object of Kubernetes. */
  public static class InfrastructureCacheKey extends CacheKey {
    private final KubernetesKind kubernetesKind;
    private final String account;
    private final String namespace;
    private final String name;

    public InfrastructureCacheKey(
        KubernetesKind kubernetesKind, String account, String namespace, String name) {
      this.kubernetesKind = kubernetesKind;
      this.account = account;
      this.namespace = namespace;
      this.name = name;
    }

    public static String createKey(
        KubernetesKind kubernetesKind, String account, String namespace, String name) {
      return key("infrastructure", kubernetesKind, account, namespace, name);
    }

    public KubernetesKind getKubernetesKind() {
      return kubernetesKind;
    }

    public String getAccount() {
      return account;
    }

    public String getNamespace() {
      return namespace;
    }

    @Override
    public String getGroup() {
      return kubernetesKind.toString();
    }

    @Override
    public String getName() {
      return name;
    }
  }
}
