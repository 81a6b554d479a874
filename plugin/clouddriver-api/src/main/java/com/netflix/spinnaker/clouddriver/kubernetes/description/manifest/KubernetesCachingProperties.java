// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.description.manifest;

import io.scaleagent.clouddriver.api.Declaration;

/**
 * What an object's annotations say of its caching. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x.
 */
public class KubernetesCachingProperties {
  private KubernetesCachingProperties() {}

  public boolean isIgnore() {
    throw Declaration.only();
  }

  /** "" if none is named. */
  public String getApplication() {
    throw Declaration.only();
  }
}
