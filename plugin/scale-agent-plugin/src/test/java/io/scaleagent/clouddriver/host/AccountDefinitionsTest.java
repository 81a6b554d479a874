// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import static org.assertj.core.api.Assertions.assertThat;

import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesAccountProperties.ManagedAccount;
import com.netflix.spinnaker.fiat.model.Authorization;
import com.netflix.spinnaker.fiat.model.resources.Permissions;
import io.scaleagent.clouddriver.accounts.AgentAccount;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.springframework.mock.env.MockEnvironment;

class AccountDefinitionsTest {
  private final MockEnvironment environment = new MockEnvironment();

  private static AgentAccount account(
      Map<String, List<String>> permissions,
      List<String> kinds,
      List<String> omitKinds,
      List<String> namespaces,
      List<String> omitNamespaces,
      boolean onlySpinnakerManaged) {
    return new AgentAccount(
        "prod",
        new AccountProperties(
            "api:6443",
            "",
            "v1.36.3",
            "uid",
            permissions,
            kinds,
            omitKinds,
            namespaces,
            omitNamespaces,
            onlySpinnakerManaged,
            false),
        "",
        1,
        "a",
        "c",
        Instant.EPOCH);
  }

  private static AgentAccount plain() {
    return account(Map.of(), List.of(), List.of(), List.of(), List.of(), false);
  }

  private ManagedAccount define(AgentAccount account) {
    return new AccountDefinitions(new KubesvcSettings(environment))
        .of(account.name(), account.properties());
  }

  private static Permissions permissions(Map<String, List<String>> said) {
    return AccountDefinitions.permissions("prod", said).build();
  }

  @Test
  void withoutPermissionsEverybodyMay() {
    assertThat(permissions(Map.of()).isRestricted()).isFalse();
  }

  @Test
  void whiteSpaceAroundRolesIsTrimmed() {
    Permissions p = permissions(Map.of("READ", List.of(" dev\t", "ops"), "WRITE", List.of("ops")));
    assertThat(p.getAuthorizations(List.of("dev"))).containsExactly(Authorization.READ);
    assertThat(p.getAuthorizations(List.of("ops")))
        .containsExactlyInAnyOrder(Authorization.READ, Authorization.WRITE);
    assertThat(p.getAuthorizations(List.of("others"))).isEmpty();
  }

  @Test
  void permissionsThatCanNotBeReadDeny() {
    for (Map<String, List<String>> unreadable :
        List.of(
            Map.of("REED", List.of("dev")),
            Map.of("READ", List.of(" ")),
            Map.of("READ", List.<String>of()),
            Map.of("", List.of("dev")))) {
      Permissions p = permissions(unreadable);
      assertThat(p.isRestricted()).as("%s", unreadable).isTrue();
      assertThat(p.getAuthorizations(List.of("dev", ""))).as("%s", unreadable).isEmpty();
    }
  }

  @Test
  void onePermissionThatCanNotBeReadGrantsNothingByItself() {
    Permissions p = permissions(Map.of("REED", List.of("dev"), "write", List.of("ops")));
    assertThat(p.getAuthorizations(List.of("dev"))).isEmpty();
    assertThat(p.getAuthorizations(List.of("ops"))).containsExactly(Authorization.WRITE);
  }

  @Test
  void clouddriverAsksTheClusterForNothingButMetricsOfAPodThatIsLookedAt() {
    ManagedAccount d = define(plain());
    assertThat(d.getName()).isEqualTo("prod");
    assertThat(d.isServiceAccount()).isTrue();
    assertThat(d.isCheckPermissionsOnStartup()).isFalse();
    assertThat(d.isMetrics()).isTrue();
  }

  @Test
  void ofEachPairOfListsOneIsSet() {
    ManagedAccount d =
        define(
            account(
                Map.of(),
                List.of("Deployment", "Pod"),
                List.of("Pod"),
                List.of("a", "b"),
                List.of("b"),
                false));
    assertThat(d.getKinds()).containsExactly("Deployment");
    assertThat(d.getOmitKinds()).isEmpty();
    assertThat(d.getNamespaces()).containsExactly("a");
    assertThat(d.getOmitNamespaces()).isEmpty();
  }

  @Test
  void settingsOfTheAccountWinOverTheDefaults() {
    environment.setProperty("kubesvc.runtime.defaults.onlySpinnakerManaged", "true");
    assertThat(define(plain()).isOnlySpinnakerManaged()).isTrue();
    environment.setProperty("kubesvc.runtime.accounts.prod.onlySpinnakerManaged", "false");
    assertThat(define(plain()).isOnlySpinnakerManaged()).isFalse();
  }

  @Test
  void whatTheAgentLimitsStaysLimited() {
    environment.setProperty("kubesvc.runtime.accounts.prod.onlySpinnakerManaged", "false");
    assertThat(
            define(account(Map.of(), List.of(), List.of(), List.of(), List.of(), true))
                .isOnlySpinnakerManaged())
        .isTrue();
  }

  @Test
  void customResourcesComeFromTheSettings() {
    environment.setProperty(
        "kubesvc.runtime.defaults.customResources[0].kubernetesKind", "Widget.example.com");
    environment.setProperty(
        "kubesvc.runtime.defaults.customResources[0].spinnakerKind", "serverGroups");
    assertThat(define(plain()).getCustomResources())
        .singleElement()
        .satisfies(
            r -> {
              assertThat(r.getKubernetesKind()).isEqualTo("Widget.example.com");
              assertThat(r.getSpinnakerKind()).isEqualTo("serverGroups");
              assertThat(r.isNamespaced()).isFalse();
            });
  }
}
