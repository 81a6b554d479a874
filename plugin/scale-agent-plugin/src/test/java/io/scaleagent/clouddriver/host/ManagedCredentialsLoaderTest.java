// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import static org.assertj.core.api.Assertions.assertThat;

import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesAccountProperties.ManagedAccount;
import io.scaleagent.clouddriver.accounts.AccountCatalog;
import io.scaleagent.clouddriver.accounts.AgentAccount;
import io.scaleagent.clouddriver.accounts.ConnectedAgent;
import io.scaleagent.clouddriver.accounts.Replica;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.springframework.mock.env.MockEnvironment;

class ManagedCredentialsLoaderTest {
  private final List<AgentAccount> inCatalog = new ArrayList<>();
  private final List<ManagedAccount> inClouddriver = new ArrayList<>();
  private long revision;
  private int reads;

  private final ManagedAccounts accounts =
      new ManagedAccounts(new KubesvcSettings(new MockEnvironment()), null);
  private final ManagedCredentialsLoader.Source source =
      new ManagedCredentialsLoader.Source(() -> inClouddriver, accounts);

  private final AccountCatalog catalog =
      new AccountCatalog() {
        @Override
        public long revision() {
          return revision;
        }

        @Override
        public List<AgentAccount> accounts() {
          reads++;
          return List.copyOf(inCatalog);
        }

        @Override
        public Optional<AgentAccount> account(String name) {
          return inCatalog.stream().filter(a -> a.name().equals(name)).findFirst();
        }

        @Override
        public Set<String> storing(Collection<String> accounts, String group, String resource) {
          return Set.of();
        }

        @Override
        public List<ConnectedAgent> agents() {
          return List.of();
        }

        @Override
        public List<Replica> clouddrivers() {
          return List.of();
        }

        @Override
        public String clouddriverId() {
          return "here";
        }
      };

  private static AgentAccount agents(String name) {
    return new AgentAccount(
        name,
        new AccountProperties(
            "", "", "", "", Map.of(), List.of(), List.of(), List.of(), List.of(), false, false),
        "",
        1,
        "a",
        "c",
        Instant.EPOCH);
  }

  private List<String> names() {
    List<String> names = new ArrayList<>();
    source.getCredentialsDefinitions().forEach(d -> names.add(d.getName()));
    return names;
  }

  @Test
  void agentsAccountsStandBesideClouddriversOwn() {
    inClouddriver.add(new ManagedAccount().setName("stock"));
    assertThat(names()).containsExactly("stock");
    accounts.follow(catalog);
    inCatalog.add(agents("streamed"));
    accounts.refresh();
    assertThat(names()).containsExactlyInAnyOrder("stock", "streamed");
    assertThat(accounts.manages("streamed")).isTrue();
    assertThat(accounts.manages("stock")).isFalse();
  }

  @Test
  void theAgentWins() {
    inClouddriver.add(new ManagedAccount().setName("both").setServiceAccount(false));
    accounts.follow(catalog);
    inCatalog.add(agents("both"));
    accounts.refresh();
    assertThat(source.getCredentialsDefinitions())
        .singleElement()
        .satisfies(d -> assertThat(d.isServiceAccount()).isTrue());
  }

  @Test
  void withoutItsAgentsClouddriversOwnIsThereAgain() {
    inClouddriver.add(new ManagedAccount().setName("both").setServiceAccount(false));
    accounts.follow(catalog);
    inCatalog.add(agents("both"));
    accounts.refresh();
    inCatalog.clear();
    revision++;
    accounts.refresh();
    assertThat(source.getCredentialsDefinitions())
        .singleElement()
        .satisfies(d -> assertThat(d.isServiceAccount()).isFalse());
  }

  @Test
  void theCatalogIsReadOnlyWhenItChanged() {
    accounts.follow(catalog);
    assertThat(accounts.refresh()).isTrue();
    assertThat(accounts.refresh()).isFalse();
    assertThat(reads).isEqualTo(1);
    revision++;
    assertThat(accounts.refresh()).isTrue();
    assertThat(reads).isEqualTo(2);
  }
}
