// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.security;

import io.scaleagent.clouddriver.api.Declaration;

/** Label selectors that must all hold. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class KubernetesSelectorList {
  public KubernetesSelectorList() {}

  public boolean isEmpty() {
    throw Declaration.only();
  }

  public boolean isNotEmpty() {
    return !isEmpty();
  }

  /** As kubectl takes it. */
  @Override
  public String toString() {
    throw Declaration.only();
  }
}
