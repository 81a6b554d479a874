// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.caching.agent;

import io.scaleagent.clouddriver.api.Declaration;
import java.util.Set;

/**
 * The names of Front50's applications, read now and then. Clouddriver 5.79.0 (Spinnaker 1.29) to
 * 2026.x.
 */
public class Front50ApplicationLoader {
  /** Without a public constructor: Spring makes it. */
  Front50ApplicationLoader() {}

  public Set<String> getData() {
    throw Declaration.only();
  }
}
