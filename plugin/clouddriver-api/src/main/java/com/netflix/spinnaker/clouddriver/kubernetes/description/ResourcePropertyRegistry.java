// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.description;

import com.google.common.collect.ImmutableCollection;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;

/**
 * What the provider knows of the kinds of an account. Clouddriver 5.76.0 (Spinnaker 1.28) to
 * 2026.x.
 */
public interface ResourcePropertyRegistry {
  KubernetesResourceProperties get(KubernetesKind kind);

  ImmutableCollection<KubernetesResourceProperties> values();
}
