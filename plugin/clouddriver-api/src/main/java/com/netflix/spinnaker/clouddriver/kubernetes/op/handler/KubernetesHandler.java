// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.op.handler;

import com.netflix.spinnaker.clouddriver.kubernetes.description.SpinnakerKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;

/** What can be done with objects of one kind. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public abstract class KubernetesHandler {
  public abstract KubernetesKind kind();

  public abstract SpinnakerKind spinnakerKind();
}
