// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.netflix.spinnaker.clouddriver.kubernetes.config.CustomKubernetesResource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.springframework.boot.context.properties.bind.Bindable;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.core.env.Environment;

/** The settings kubesvc.* that are not kubesvc.grpc.*, as they were when Clouddriver started. */
public class KubesvcSettings {
  /** What is cached of a cluster if nobody says anything else. */
  static final List<String> CACHE_DEFAULTS =
      List.of(
          "ReplicaSet",
          "Service",
          "Ingress",
          "DaemonSet",
          "Deployment",
          "Pod",
          "StatefulSet",
          "Job",
          "CronJob",
          "NetworkPolicy",
          "Namespace",
          "CustomResourceDefinition");

  /** kubesvc.runtime.defaults and kubesvc.runtime.accounts.NAME. */
  public static class Runtime {
    private Boolean onlySpinnakerManaged;
    private List<CustomResource> customResources = List.of();

    /** Null if it is not said. */
    public Boolean getOnlySpinnakerManaged() {
      return onlySpinnakerManaged;
    }

    public void setOnlySpinnakerManaged(Boolean value) {
      onlySpinnakerManaged = value;
    }

    public List<CustomResource> getCustomResources() {
      return customResources;
    }

    public void setCustomResources(List<CustomResource> value) {
      customResources = value;
    }
  }

  /** A kind that Clouddriver does not know by itself. */
  public static class CustomResource {
    private String kubernetesKind;
    private String spinnakerKind;
    private String deployPriority = "100";
    private boolean versioned;
    private boolean namespaced;

    public String getKubernetesKind() {
      return kubernetesKind;
    }

    public void setKubernetesKind(String value) {
      kubernetesKind = value;
    }

    public String getSpinnakerKind() {
      return spinnakerKind;
    }

    public void setSpinnakerKind(String value) {
      spinnakerKind = value;
    }

    public String getDeployPriority() {
      return deployPriority;
    }

    public void setDeployPriority(String value) {
      deployPriority = value;
    }

    public boolean isVersioned() {
      return versioned;
    }

    public void setVersioned(boolean value) {
      versioned = value;
    }

    public boolean isNamespaced() {
      return namespaced;
    }

    public void setNamespaced(boolean value) {
      namespaced = value;
    }
  }

  private final Binder binder;
  private final List<String> cacheKinds;
  private final Runtime runtimeDefaults;
  private final Map<String, Runtime> runtimeAccounts;

  public KubesvcSettings(Environment environment) {
    binder = Binder.get(environment);
    List<String> defaults = strings("cache.cache-defaults", CACHE_DEFAULTS);
    cacheKinds = strings("cache.cache-kinds", defaults);
    runtimeDefaults =
        binder.bind("kubesvc.runtime.defaults", Runtime.class).orElseGet(Runtime::new);
    runtimeAccounts =
        binder
            .bind("kubesvc.runtime.accounts", Bindable.mapOf(String.class, Runtime.class))
            .orElse(Map.of());
  }

  private int integer(String name, int otherwise) {
    return binder.bind("kubesvc." + name, Integer.class).orElse(otherwise);
  }

  private boolean flag(String name, boolean otherwise) {
    return binder.bind("kubesvc." + name, Boolean.class).orElse(otherwise);
  }

  private List<String> strings(String name, List<String> otherwise) {
    List<String> found = binder.bind("kubesvc." + name, Bindable.listOf(String.class)).orElse(null);
    return found == null || found.isEmpty() ? otherwise : List.copyOf(found);
  }

  /** Kinds whose objects become rows, "Deployment" or "kind.group". */
  public List<String> cacheKinds() {
    return cacheKinds;
  }

  /** Threads that write to the cache, kept and at most. */
  public int writersCore() {
    return integer("cache.cache-streaming-pool-core-size", 10);
  }

  public int writersMax() {
    return integer("cache.cache-streaming-pool-max-size", 100);
  }

  /** How long an account is kept that no connected agent brings. */
  public int accountCleanupSeconds() {
    return integer("cache.account-cleanup-frequency-seconds", 600);
  }

  /** Whether its rows go with it. */
  public boolean cleanDataWithUnusedAccounts() {
    return flag("cache.clean-data-with-unused-accounts", true);
  }

  /** How long a call waits for its agent. */
  public int operationWaitMillis() {
    return integer("cache.operation-wait-ms", 30_000);
  }

  /** How long an operation is in the history. */
  public int historyWeeks() {
    return integer("jobs.operation-history.purge.weeks", 1);
  }

  /** When older ones are purged, a cron expression as Spring has them. */
  public String historyPurgeCron() {
    return binder
        .bind("kubesvc.jobs.operation-history.purge.cron", String.class)
        .orElse("0 0 0 * * 0");
  }

  /** Whether rows of stock polling stay when an account moves to an agent. */
  public boolean v2EvictionDisabled() {
    return flag("v2-cache-eviction.disable", false);
  }

  /** How many kinds are evicted at once then. */
  public int v2EvictionBatch() {
    return integer("v2-cache-eviction.batch-size", 5);
  }

  /** How long to wait between two such batches. */
  public int v2EvictionMillis() {
    return integer("v2-cache-eviction.millis", 200);
  }

  /** Whether agents' silence ends their streams. */
  public boolean heartbeatEnabled() {
    return flag("heartbeat.enabled", true);
  }

  /** Where other Clouddrivers reach this one's REST; "" to find out. */
  public String baseUrl() {
    return binder.bind("kubesvc.base-url", String.class).orElse("");
  }

  public boolean onlySpinnakerManaged(String account) {
    Runtime own = runtimeAccounts.get(account);
    Boolean said = own == null ? null : own.getOnlySpinnakerManaged();
    if (said == null) {
      said = runtimeDefaults.getOnlySpinnakerManaged();
    }
    return said != null && said;
  }

  /** The account's own, else the default's. A new list with each call. */
  public List<CustomKubernetesResource> customResources(String account) {
    Runtime own = runtimeAccounts.get(account);
    List<CustomResource> said =
        own == null || own.getCustomResources().isEmpty()
            ? runtimeDefaults.getCustomResources()
            : own.getCustomResources();
    List<CustomKubernetesResource> all = new ArrayList<>();
    for (CustomResource r : said) {
      all.add(
          new CustomKubernetesResource()
              .setKubernetesKind(r.getKubernetesKind())
              .setSpinnakerKind(r.getSpinnakerKind())
              .setDeployPriority(r.getDeployPriority())
              .setVersioned(r.isVersioned())
              .setNamespaced(r.isNamespaced()));
    }
    return all;
  }
}
