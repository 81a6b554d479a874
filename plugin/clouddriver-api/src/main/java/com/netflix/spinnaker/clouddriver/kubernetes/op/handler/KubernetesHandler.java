// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.op.handler;

import com.netflix.spinnaker.clouddriver.kubernetes.description.SpinnakerKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import java.util.List;
import java.util.Map;

/** What can be done with objects of one kind. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public abstract class KubernetesHandler {
  /** NONE for the handler of custom resources that are not configured. */
  public abstract KubernetesKind kind();

  public abstract SpinnakerKind spinnakerKind();

  /** Takes out of an object what is secret. */
  public void removeSensitiveKeys(KubernetesManifest manifest) {}

  /** Says of the objects of its kind to which of the others they point. */
  public void addRelationships(
      Map<KubernetesKind, List<KubernetesManifest>> allResources,
      Map<KubernetesManifest, List<KubernetesManifest>> relationshipMap) {}
}
