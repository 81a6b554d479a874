// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.config;

import java.util.List;

/** Settings of the whole provider (kubernetes.*). Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class KubernetesConfigurationProperties {
  private Cache cache = new Cache();

  public Cache getCache() {
    return cache;
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
