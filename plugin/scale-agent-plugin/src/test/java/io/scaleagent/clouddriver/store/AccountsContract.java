// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.scaleagent.clouddriver.accounts.AgentAccount;
import io.scaleagent.clouddriver.protocol.AgentConnection;
import io.scaleagent.clouddriver.protocol.FencedException;
import io.scaleagent.clouddriver.protocol.Lease;
import io.scaleagent.clouddriver.protocol.Opening;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Which accounts and agents there are, on a real database. */
@Timeout(60)
abstract class AccountsContract extends StoreTestCase {
  @Test
  void anotherClusterByTheSameNameIsRefusedOrReplaces() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(one, "b");
    Lease lease = caching(open(one, a));
    put(one, lease, scope(one, lease), "x");
    Opening refused = open(one, b, "prod", "c2");
    assertThat(refused.decision()).isEqualTo(Opening.Decision.NAME_IN_USE);
    assertThat(refused.reason()).contains("c1").contains("c2").contains("agent a");
    one.disconnect(a);
    Opening replaced = open(one, b, "prod", "c2");
    caching(replaced);
    assertThat(replaced.scopes()).isEmpty();
    assertThat(erased).containsExactly("prod");
    assertThat(rows("scale_agent_digest")).isZero();
  }

  @Test
  void accountsThatNobodyNamesAreRetracted() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(one, "b");
    assertThat(one.named(a, Set.of("prod", "test"))).isEmpty();
    assertThat(one.named(b, Set.of("test"))).isEmpty();
    Lease lease = caching(open(one, a));
    put(one, lease, scope(one, lease), "x");
    caching(open(one, a, "test", "c2"));
    assertThat(one.named(a, Set.of())).containsExactly("prod");
    assertThat(erased).containsExactly("prod");
    assertThatThrownBy(() -> scope(one, lease)).isInstanceOf(FencedException.class);
    assertThat(rows("scale_agent_account")).isEqualTo(1);
    assertThat(rows("scale_agent_scope")).isZero();
    assertThat(one.named(agent(one, "a"), Set.of())).isEmpty();
    assertThat(one.named(a, Set.of("late"))).isEmpty();
    assertThat(rows("scale_agent_named")).isEqualTo(1);
  }

  @Test
  void theCatalogTellsWhoBringsAndKeepsWhat() {
    SqlAccountStore one = clouddriver("one", 60_000);
    SqlAccountStore two = clouddriver("two", 60_000);
    SqlAccountCatalog catalog = two.catalog();
    long before = catalog.revision();
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(two, "b");
    one.named(a, Set.of("prod"));
    two.named(b, Set.of("prod", "other"));
    caching(open(one, a));
    long opened = catalog.revision();
    assertThat(opened).isNotEqualTo(before);
    caching(open(one, a));
    assertThat(catalog.revision()).isEqualTo(opened);
    AgentAccount account = catalog.account("prod").orElseThrow();
    assertThat(account.properties().permissions()).isEqualTo(properties("c1").permissions());
    assertThat(account.connections()).isEqualTo(2);
    assertThat(account.agentId()).isEqualTo("a");
    assertThat(account.zoneId()).isEqualTo("zone");
    assertThat(account.clouddriverId()).isEqualTo(one.catalog().clouddriverId());
    assertThat(catalog.account("other")).isEmpty();
    assertThat(catalog.accounts()).hasSize(1);
    assertThat(catalog.clouddrivers())
        .extracting(r -> r.baseUrl())
        .containsExactlyInAnyOrder("http://one", "http://two");
    assertThat(catalog.agents()).hasSize(2);
    assertThat(catalog.agents().stream().filter(g -> g.agentId().equals("a")).findFirst())
        .hasValueSatisfying(g -> assertThat(g.caching()).containsExactly("prod"));
    one.disconnect(a);
    assertThat(catalog.account("prod").orElseThrow().kept()).isFalse();
    assertThat(catalog.account("prod").orElseThrow().connections()).isEqualTo(1);
  }

  @Test
  void theCatalogTellsWhichAccountsHaveObjectsOfAResource() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    Lease lease = caching(open(one, agent(one, "a")));
    long scope = scope(one, lease);
    Set<String> names = Set.of("prod", "other");
    assertThat(one.catalog().storing(names, "", "pods")).isEmpty();
    put(one, lease, scope, "x");
    assertThat(one.catalog().storing(names, "", "pods")).containsExactly("prod");
    assertThat(one.catalog().storing(names, "apps", "pods")).isEmpty();
    assertThat(one.catalog().storing(Set.of("other"), "", "pods")).isEmpty();
    assertThat(one.catalog().storing(Set.of(), "", "pods")).isEmpty();
  }

  @Test
  void accountsThatNobodyHasBroughtForLongAreCleanedUp() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    AgentConnection a = agent(one, "a");
    one.named(a, Set.of("prod", "test"));
    Lease lease = caching(open(one, a));
    put(one, lease, scope(one, lease), "x");
    caching(open(one, a, "test", "c2"));
    TestDatabase.pause(50);
    assertThat(one.cleanUp(Duration.ofMillis(10), true)).isEmpty();
    one.disconnect(a);
    assertThat(one.cleanUp(Duration.ofMinutes(5), true)).isEmpty();
    AgentConnection again = agent(one, "a");
    one.named(again, Set.of("test"));
    one.disconnect(again);
    TestDatabase.pause(50);
    assertThat(one.cleanUp(Duration.ofMillis(10), false)).containsExactly("test");
    assertThat(rows("scale_agent_assignment")).isEqualTo(1);
    assertThat(one.catalog().accounts()).isEmpty();
  }

  @Test
  void agentsThatAreGoneForLongAreForgotten() {
    SqlAccountStore one = clouddriver("one", 60_000);
    SqlAccountStore two = clouddriver("two", 60_000);
    AgentConnection here = agent(one, "here");
    AgentConnection left = agent(one, "left");
    AgentConnection dead = agent(two, "dead");
    List.of(here, left, dead).forEach(a -> one.named(a, Set.of("prod")));
    one.disconnect(left);
    lapse(two);
    assertThat(DeadAgents.forget(new Database(dsl), 60_000)).isZero();
    TestDatabase.pause(30);
    assertThat(DeadAgents.forget(new Database(dsl), 10)).isEqualTo(2);
    assertThat(one.catalog().agents()).hasSize(1);
    assertThat(rows("scale_agent_named")).isEqualTo(1);
  }
}
