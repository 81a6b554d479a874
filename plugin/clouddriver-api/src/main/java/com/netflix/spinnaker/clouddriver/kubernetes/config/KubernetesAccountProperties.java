// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.config;

import com.netflix.spinnaker.clouddriver.security.AccessControlledAccountDefinition;
import com.netflix.spinnaker.fiat.model.resources.Permissions;
import java.util.ArrayList;
import java.util.List;

/**
 * The accounts of Clouddriver's own configuration (kubernetes.accounts). Clouddriver 5.76.0
 * (Spinnaker 1.28) to 2026.x.
 */
public class KubernetesAccountProperties {
  private List<ManagedAccount> accounts = new ArrayList<>();

  public List<ManagedAccount> getAccounts() {
    return accounts;
  }

  public KubernetesAccountProperties setAccounts(List<ManagedAccount> accounts) {
    this.accounts = accounts;
    return this;
  }

  /** The definition of one account. The setters return the account. */
  public static class ManagedAccount implements AccessControlledAccountDefinition {
    private String name;
    private boolean serviceAccount;
    private List<String> namespaces = new ArrayList<>();
    private List<String> omitNamespaces = new ArrayList<>();
    private Permissions.Builder permissions = new Permissions.Builder();
    private boolean metrics = true;
    private boolean checkPermissionsOnStartup = true;
    private List<CustomKubernetesResource> customResources = new ArrayList<>();
    private List<String> kinds = new ArrayList<>();
    private List<String> omitKinds = new ArrayList<>();
    private boolean onlySpinnakerManaged;

    @Override
    public String getName() {
      return name;
    }

    public boolean isServiceAccount() {
      return serviceAccount;
    }

    public List<String> getNamespaces() {
      return namespaces;
    }

    public List<String> getOmitNamespaces() {
      return omitNamespaces;
    }

    @Override
    public Permissions.Builder getPermissions() {
      return permissions;
    }

    public boolean isMetrics() {
      return metrics;
    }

    public boolean isCheckPermissionsOnStartup() {
      return checkPermissionsOnStartup;
    }

    public List<CustomKubernetesResource> getCustomResources() {
      return customResources;
    }

    public List<String> getKinds() {
      return kinds;
    }

    public List<String> getOmitKinds() {
      return omitKinds;
    }

    public boolean isOnlySpinnakerManaged() {
      return onlySpinnakerManaged;
    }

    public ManagedAccount setName(String name) {
      this.name = name;
      return this;
    }

    public ManagedAccount setServiceAccount(boolean serviceAccount) {
      this.serviceAccount = serviceAccount;
      return this;
    }

    public ManagedAccount setNamespaces(List<String> namespaces) {
      this.namespaces = namespaces;
      return this;
    }

    public ManagedAccount setOmitNamespaces(List<String> omitNamespaces) {
      this.omitNamespaces = omitNamespaces;
      return this;
    }

    public ManagedAccount setPermissions(Permissions.Builder permissions) {
      this.permissions = permissions;
      return this;
    }

    public ManagedAccount setMetrics(boolean metrics) {
      this.metrics = metrics;
      return this;
    }

    public ManagedAccount setCheckPermissionsOnStartup(boolean checkPermissionsOnStartup) {
      this.checkPermissionsOnStartup = checkPermissionsOnStartup;
      return this;
    }

    public ManagedAccount setCustomResources(List<CustomKubernetesResource> customResources) {
      this.customResources = customResources;
      return this;
    }

    public ManagedAccount setKinds(List<String> kinds) {
      this.kinds = kinds;
      return this;
    }

    public ManagedAccount setOmitKinds(List<String> omitKinds) {
      this.omitKinds = omitKinds;
      return this;
    }

    public ManagedAccount setOnlySpinnakerManaged(boolean onlySpinnakerManaged) {
      this.onlySpinnakerManaged = onlySpinnakerManaged;
      return this;
    }
  }
}
