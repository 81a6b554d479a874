// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.description.manifest;

import io.scaleagent.clouddriver.api.Declaration;

/** Reads Spinnaker's annotations. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class KubernetesManifestAnnotater {
  /** Puts an empty map of annotations into an object that has none. */
  public static KubernetesCachingProperties getCachingProperties(KubernetesManifest manifest) {
    throw Declaration.only();
  }
}
