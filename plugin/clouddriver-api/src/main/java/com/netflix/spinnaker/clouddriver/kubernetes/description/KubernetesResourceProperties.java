// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.description;

import com.netflix.spinnaker.clouddriver.kubernetes.op.handler.KubernetesHandler;

/** What the provider knows of one kind. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class KubernetesResourceProperties {
  private final KubernetesHandler handler;

  public KubernetesResourceProperties(KubernetesHandler handler, boolean versioned) {
    this.handler = handler;
  }

  public KubernetesHandler getHandler() {
    return handler;
  }
}
