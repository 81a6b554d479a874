// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.scaleagent.clouddriver.protocol.AccountProperties;
import io.scaleagent.clouddriver.protocol.AgentConnection;
import java.time.Duration;
import java.util.Set;
import java.util.TreeSet;
import org.jooq.DSLContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Two processes of one agent's id, and what the one takes away of the other. */
@Timeout(180)
class AgentTableTest {
  private static final AccountProperties PROPERTIES = TestDatabase.properties("");

  private final Set<String> erased = new TreeSet<>();

  @Test
  void mariadb() {
    run(TestDatabase.mariadb());
  }

  @Test
  void postgres() {
    run(TestDatabase.postgres());
  }

  private void run(TestDatabase server) {
    TestDatabase.Schema schema = server.schema().withStore();
    try {
      AccountEraser eraser =
          new AccountEraser() {
            @Override
            public void erase(DSLContext tx, String account) {
              erased.add(account);
            }

            @Override
            public void forget(String account) {}
          };
      SqlAccountStore store = new SqlAccountStore(schema.database(), "one", "", 60_000, eraser);
      AgentConnection first = agent(store, "00", "mine", "ours");

      // Another process, while the first is connected: its own list takes nothing away.
      AgentConnection twin = agent(store, "01", "ours", "its");
      assertThat(erased).isEmpty();
      // What it named itself and names no more goes at once, as ever.
      assertThat(store.named(twin, Set.of("ours"))).containsExactly("its");
      assertThat(erased).containsExactly("its");
      // What nobody names goes as unused, in its time.
      store.disconnect(first);
      store.disconnect(twin);
      assertThat(store.cleanUp(Duration.ofMinutes(10), true)).isEmpty();
      assertThat(store.cleanUp(Duration.ofMillis(-1000), true)).containsExactly("mine", "ours");

      // One that ended before, and comes back with another list, means it.
      erased.clear();
      store.disconnect(agent(store, "02", "mine", "ours"));
      agent(store, "03", "ours");
      assertThat(erased).containsExactly("mine");
    } finally {
      schema.disconnect();
    }
  }

  private static AgentConnection agent(SqlAccountStore store, String instance, String... accounts) {
    AgentConnection agent = store.connect("agent", "", "1", instance, "peer");
    store.named(agent, Set.of(accounts));
    for (String account : accounts) {
      store.open(agent, account, PROPERTIES, "s");
    }
    return agent;
  }
}
