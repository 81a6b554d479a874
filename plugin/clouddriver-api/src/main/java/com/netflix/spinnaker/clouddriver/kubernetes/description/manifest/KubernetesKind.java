// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.description.manifest;

import java.util.Locale;

/**
 * A kind with its API group; equal without regard to case. Clouddriver 5.76.0 (Spinnaker 1.28) to
 * 2026.x.
 */
public class KubernetesKind {
  public static final KubernetesKind CUSTOM_RESOURCE_DEFINITION =
      fromString("customResourceDefinition.apiextensions.k8s.io");
  public static final KubernetesKind DEPLOYMENT = fromString("deployment.apps");
  public static final KubernetesKind EVENT = fromString("event");
  public static final KubernetesKind NAMESPACE = fromString("namespace");
  public static final KubernetesKind NONE = fromString("none");
  public static final KubernetesKind POD = fromString("pod");
  public static final KubernetesKind SECRET = fromString("secret");

  private final String name;

  private KubernetesKind(String name) {
    this.name = name;
  }

  /** "kind" or "kind.group"; a built-in group may be left out. */
  public static KubernetesKind fromString(String qualifiedKind) {
    return new KubernetesKind(qualifiedKind);
  }

  /** "kind" for a built-in group, else "kind.group". */
  @Override
  public String toString() {
    int dot = name.indexOf('.');
    boolean builtIn =
        dot < 0
            || name.indexOf('.', dot + 1) < 0
            || name.toLowerCase(Locale.ROOT).endsWith(".k8s.io");
    return dot >= 0 && builtIn ? name.substring(0, dot) : name;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof KubernetesKind && toString().equalsIgnoreCase(other.toString());
  }

  @Override
  public int hashCode() {
    return toString().toLowerCase(Locale.ROOT).hashCode();
  }
}
