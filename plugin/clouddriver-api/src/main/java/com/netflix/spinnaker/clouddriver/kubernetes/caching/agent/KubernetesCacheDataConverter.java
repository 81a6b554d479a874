// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.caching.agent;

import com.netflix.spinnaker.cats.cache.CacheData;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import io.scaleagent.clouddriver.api.Declaration;

/** Makes rows of objects, and objects of rows. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class KubernetesCacheDataConverter {
  /** The object that the row was made of. */
  public static KubernetesManifest getManifest(CacheData cacheData) {
    throw Declaration.only();
  }
}
