// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesAccountProperties.ManagedAccount;
import com.netflix.spinnaker.fiat.model.Authorization;
import com.netflix.spinnaker.fiat.model.resources.Permissions;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes Clouddriver's definition of an account from what its agent says. */
final class AccountDefinitions {
  private static final Logger log = LoggerFactory.getLogger(AccountDefinitions.class);

  /**
   * A role that nobody has: where an agent asked for a restriction that can't be understood, nobody
   * may, until it is mended. Without it Clouddriver would take the account for one that everybody
   * may use.
   */
  static final String NOBODY = "nobody (unreadable permissions of the agent)";

  private final KubesvcSettings settings;

  AccountDefinitions(KubesvcSettings settings) {
    this.settings = settings;
  }

  /**
   * The same account gives an equal definition each time, so that an account that did not change is
   * not loaded again.
   */
  ManagedAccount of(String name, AccountProperties p) {
    ManagedAccount d = new ManagedAccount();
    d.setName(name);
    d.setServiceAccount(true); // no kubeconfig
    d.setCheckPermissionsOnStartup(false); // else each kind is listed once to see whether it can be
    d.setMetrics(true); // by metrics.k8s.io; where the cluster has none, there are none
    d.setPermissions(permissions(name, p.permissions()));
    d.setOnlySpinnakerManaged(p.onlySpinnakerManaged() || settings.onlySpinnakerManaged(name));
    d.setCustomResources(settings.customResources(name));
    // Clouddriver takes at most one of each pair.
    if (p.namespaces().isEmpty()) {
      d.setOmitNamespaces(new ArrayList<>(p.omitNamespaces()));
    } else {
      d.setNamespaces(without(p.namespaces(), p.omitNamespaces()));
    }
    if (p.kinds().isEmpty()) {
      d.setOmitKinds(new ArrayList<>(p.omitKinds()));
    } else {
      d.setKinds(without(p.kinds(), p.omitKinds()));
    }
    return d;
  }

  private static List<String> without(List<String> all, List<String> omitted) {
    List<String> left = new ArrayList<>(all);
    left.removeAll(omitted);
    return left;
  }

  static Permissions.Builder permissions(String account, Map<String, List<String>> said) {
    Permissions.Builder permissions = new Permissions.Builder();
    boolean restricted = false;
    for (Map.Entry<String, List<String>> entry : said.entrySet()) {
      Authorization authorization = authorization(entry.getKey());
      if (authorization == null) {
        log.warn(
            "Account {}: its agent restricts \"{}\", which is no permission (READ, WRITE, EXECUTE,"
                + " CREATE are)",
            account,
            entry.getKey());
        continue;
      }
      for (String role : entry.getValue()) {
        String trimmed = role.strip();
        if (trimmed.isEmpty()) {
          log.warn("Account {}: a role for {} is empty", account, authorization);
        } else {
          permissions.add(authorization, trimmed);
          restricted = true;
        }
      }
    }
    if (!said.isEmpty() && !restricted) {
      log.warn(
          "Account {}: none of the permissions of its agent can be read, so nobody may use it",
          account);
      for (Authorization authorization : Authorization.values()) {
        permissions.add(authorization, NOBODY);
      }
    }
    return permissions;
  }

  private static Authorization authorization(String name) {
    try {
      return Authorization.valueOf(name.strip().toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      return null;
    }
  }
}
