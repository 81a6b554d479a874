// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import static org.assertj.core.api.Assertions.assertThat;

import io.scaleagent.clouddriver.protocol.AgentConnection;
import io.scaleagent.clouddriver.protocol.AgentDirectory;
import io.scaleagent.clouddriver.protocol.AgentStatus;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.springframework.mock.env.MockEnvironment;

class HousekeepingTest {
  private final List<String> reopened = new ArrayList<>();
  private final Map<String, String> marks = new HashMap<>();
  private Set<String> kept = Set.of("prod");
  private int cleanUps;

  private final AgentDirectory directory =
      new AgentDirectory() {
        @Override
        public Collection<AgentStatus> agents() {
          AgentConnection connection = new AgentConnection("a", "", "1", "00", 1);
          return List.of(new AgentStatus(connection, "peer", Instant.EPOCH, kept, kept));
        }

        @Override
        public boolean disconnect(String agentId, String reason, long retryAfterMillis) {
          return false;
        }

        @Override
        public boolean reopen(String account, String reason) {
          return reopened.add(account);
        }
      };

  private final ManagedAccounts accounts =
      new ManagedAccounts(new KubesvcSettings(new MockEnvironment()), null) {
        @Override
        String mark(String account) {
          return marks.get(account);
        }
      };

  private final Housekeeping housekeeping =
      new Housekeeping(
          accounts,
          directory,
          () -> {
            cleanUps++;
            return Set.of();
          });

  @Test
  void anAccountWhoseSettingsChangedIsComparedAnew() {
    marks.put("prod", "one");
    housekeeping.step();
    housekeeping.step();
    assertThat(reopened).isEmpty();
    marks.put("prod", "two");
    housekeeping.step();
    housekeeping.step();
    assertThat(reopened).containsExactly("prod");
    assertThat(cleanUps).isEqualTo(4);
  }

  @Test
  void anAccountThatCameBackBeginsAnew() {
    marks.put("prod", "one");
    housekeeping.step();
    kept = Set.of();
    housekeeping.step();
    kept = Set.of("prod");
    marks.put("prod", "two");
    housekeeping.step();
    assertThat(reopened).isEmpty();
  }

  @Test
  void anErrorDoesNotEndIt() {
    Housekeeping failing =
        new Housekeeping(
            accounts,
            directory,
            () -> {
              cleanUps++;
              throw new IllegalStateException("the database is down");
            });
    failing.step();
    failing.step();
    assertThat(cleanUps).isEqualTo(2);
  }
}
