// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.security;

import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesAccountProperties.ManagedAccount;
import com.netflix.spinnaker.clouddriver.security.AbstractAccountCredentials;
import com.netflix.spinnaker.fiat.model.resources.Permissions;
import io.scaleagent.clouddriver.api.Declaration;
import java.util.List;

/** One account. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class KubernetesNamedAccountCredentials
    extends AbstractAccountCredentials<KubernetesCredentials> {
  public KubernetesNamedAccountCredentials(
      ManagedAccount managedAccount, KubernetesCredentials.Factory credentialFactory) {
    throw Declaration.only();
  }

  @Override
  public String getName() {
    throw Declaration.only();
  }

  @Override
  public String getEnvironment() {
    throw Declaration.only();
  }

  @Override
  public String getAccountType() {
    throw Declaration.only();
  }

  @Override
  public String getCloudProvider() {
    return "kubernetes";
  }

  @Override
  public KubernetesCredentials getCredentials() {
    throw Declaration.only();
  }

  @Override
  public List<String> getRequiredGroupMembership() {
    throw Declaration.only();
  }

  /** Null: nobody is kept out. */
  @Override
  public Permissions getPermissions() {
    throw Declaration.only();
  }

  /** Null: the default. */
  public Long getCacheIntervalSeconds() {
    throw Declaration.only();
  }
}
