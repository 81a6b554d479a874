// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.config;

import java.util.List;

/** Settings of the whole provider (kubernetes.*). Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class KubernetesConfigurationProperties {
  private KubernetesJobExecutorProperties jobExecutor = new KubernetesJobExecutorProperties();
  private Cache cache = new Cache();

  public KubernetesJobExecutorProperties getJobExecutor() {
    return jobExecutor;
  }

  public Cache getCache() {
    return cache;
  }

  /** kubernetes.jobExecutor.*; 5.81.0 (Spinnaker 1.30) to 2026.x. */
  public static class KubernetesJobExecutorProperties {
    private boolean persistTaskOutput;
    private boolean enableTaskOutputForAllAccounts;

    public boolean isPersistTaskOutput() {
      return persistTaskOutput;
    }

    public KubernetesJobExecutorProperties setPersistTaskOutput(boolean value) {
      persistTaskOutput = value;
      return this;
    }

    public boolean isEnableTaskOutputForAllAccounts() {
      return enableTaskOutputForAllAccounts;
    }

    public KubernetesJobExecutorProperties setEnableTaskOutputForAllAccounts(boolean value) {
      enableTaskOutputForAllAccounts = value;
      return this;
    }
  }

  /** kubernetes.cache.* */
  public static class Cache {
    private boolean enabled = true;
    private boolean cacheAll;
    private List<String> cacheKinds;
    private List<String> cacheOmitKinds;
    private boolean checkApplicationInFront50;

    public boolean isEnabled() {
      return enabled;
    }

    public boolean isCacheAll() {
      return cacheAll;
    }

    /** Null if not configured. */
    public List<String> getCacheKinds() {
      return cacheKinds;
    }

    /** Null if not configured. */
    public List<String> getCacheOmitKinds() {
      return cacheOmitKinds;
    }

    /** 5.79.0 (Spinnaker 1.29) to 2026.x. */
    public boolean isCheckApplicationInFront50() {
      return checkApplicationInFront50;
    }

    public Cache setCacheAll(boolean cacheAll) {
      this.cacheAll = cacheAll;
      return this;
    }

    public Cache setCacheKinds(List<String> cacheKinds) {
      this.cacheKinds = cacheKinds;
      return this;
    }

    public Cache setCacheOmitKinds(List<String> cacheOmitKinds) {
      this.cacheOmitKinds = cacheOmitKinds;
      return this;
    }
  }
}
