// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.caching;

import com.netflix.spinnaker.clouddriver.security.BaseProvider;

/** Holds the provider's caching agents. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class KubernetesProvider extends BaseProvider {
  public static final String PROVIDER_NAME = "kubernetes";

  @Override
  public String getProviderName() {
    return PROVIDER_NAME;
  }
}
