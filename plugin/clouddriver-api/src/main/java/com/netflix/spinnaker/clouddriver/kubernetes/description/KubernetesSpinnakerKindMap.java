// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.description;

import com.google.common.collect.ImmutableSet;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.op.handler.KubernetesHandler;
import io.scaleagent.clouddriver.api.Declaration;
import java.util.List;

/** What each kind of Kubernetes is to Spinnaker. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class KubernetesSpinnakerKindMap {
  public KubernetesSpinnakerKindMap(List<KubernetesHandler> handlers) {}

  public SpinnakerKind translateKubernetesKind(KubernetesKind kubernetesKind) {
    throw Declaration.only();
  }

  public ImmutableSet<KubernetesKind> allKubernetesKinds() {
    throw Declaration.only();
  }
}
