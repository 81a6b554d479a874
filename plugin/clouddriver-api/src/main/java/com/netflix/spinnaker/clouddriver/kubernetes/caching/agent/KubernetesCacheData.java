// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.caching.agent;

import com.netflix.spinnaker.cats.cache.CacheData;
import io.scaleagent.clouddriver.api.Declaration;
import java.util.Collection;
import java.util.Map;

/**
 * Rows while they are made, with relationships that lead both ways. Clouddriver 5.76.0 (Spinnaker
 * 1.28) to 2026.x.
 */
public class KubernetesCacheData {
  /** The rows by their type, less objects that were only named. */
  public Map<String, Collection<CacheData>> toStratifiedCacheData() {
    throw Declaration.only();
  }
}
