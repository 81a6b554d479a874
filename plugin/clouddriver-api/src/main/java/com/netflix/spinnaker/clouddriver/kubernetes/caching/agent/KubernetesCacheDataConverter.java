// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.caching.agent;

import com.google.common.collect.ImmutableSet;
import com.netflix.spinnaker.cats.cache.CacheData;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesSpinnakerKindMap;
import com.netflix.spinnaker.clouddriver.kubernetes.description.SpinnakerKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.moniker.Namer;
import io.scaleagent.clouddriver.api.Declaration;
import java.util.List;

/** Makes rows of objects, and objects of rows. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class KubernetesCacheDataConverter {
  /** The object that the row was made of. */
  public static KubernetesManifest getManifest(CacheData cacheData) {
    throw Declaration.only();
  }

  /** Kinds whose objects belong to applications. */
  public static ImmutableSet<SpinnakerKind> getLogicalRelationshipKinds() {
    throw Declaration.only();
  }

  /**
   * Puts an object's row, and what it names, into rows that are made.
   *
   * @param resourceRelationships objects of its namespace that it points to
   */
  public static void convertAsResource(
      KubernetesCacheData kubernetesCacheData,
      String account,
      KubernetesSpinnakerKindMap kindMap,
      Namer<KubernetesManifest> namer,
      KubernetesManifest manifest,
      List<KubernetesManifest> resourceRelationships,
      boolean cacheAllRelationships) {
    throw Declaration.only();
  }
}
