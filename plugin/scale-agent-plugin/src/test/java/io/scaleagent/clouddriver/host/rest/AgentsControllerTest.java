// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.rest;

import static org.assertj.core.api.Assertions.assertThat;

import io.scaleagent.clouddriver.accounts.AccountCatalog;
import io.scaleagent.clouddriver.accounts.AgentAccount;
import io.scaleagent.clouddriver.accounts.ConnectedAgent;
import io.scaleagent.clouddriver.accounts.Replica;
import io.scaleagent.clouddriver.peers.PeerOperations;
import io.scaleagent.clouddriver.peers.SharedSecret;
import io.scaleagent.clouddriver.protocol.AgentDirectory;
import io.scaleagent.clouddriver.protocol.AgentStatus;
import io.scaleagent.clouddriver.protocol.StoreUnavailableException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.springframework.http.ResponseEntity;

class AgentsControllerTest {
  private final List<ConnectedAgent> agents = new ArrayList<>();
  private final List<Replica> replicas = new ArrayList<>();
  private final List<String> disconnected = new ArrayList<>();
  private boolean down;

  private final AccountCatalog catalog =
      new AccountCatalog() {
        @Override
        public long revision() {
          return 0;
        }

        @Override
        public List<AgentAccount> accounts() {
          return List.of();
        }

        @Override
        public Optional<AgentAccount> account(String name) {
          return Optional.empty();
        }

        @Override
        public Set<String> storing(Collection<String> accounts, String group, String resource) {
          return Set.of();
        }

        @Override
        public List<ConnectedAgent> agents() {
          if (down) {
            throw new StoreUnavailableException("no connection", null);
          }
          return agents;
        }

        @Override
        public List<Replica> clouddrivers() {
          return replicas;
        }

        @Override
        public String clouddriverId() {
          return "here";
        }
      };

  private final AgentDirectory directory =
      new AgentDirectory() {
        @Override
        public Collection<AgentStatus> agents() {
          return List.of();
        }

        @Override
        public boolean disconnect(String agentId, String reason, long retryAfterMillis) {
          return agentId.equals("mine") && disconnected.add(agentId);
        }

        @Override
        public boolean reopen(String account, String reason) {
          return false;
        }
      };

  private final SharedSecret secret =
      new SharedSecret() {
        @Override
        public byte[] secret() {
          return new byte[32];
        }

        @Override
        public long now() {
          return 0;
        }

        @Override
        public void refresh() {}
      };

  private final AgentsController controller =
      new AgentsController(catalog, directory, new PeerOperations(catalog, secret));

  private static ConnectedAgent agent(String id, String clouddriver) {
    return new ConnectedAgent(id, clouddriver, Instant.EPOCH, Set.of("b", "a"), Set.of());
  }

  private int disconnect(String agent) {
    return controller.disconnect(agent, null).getStatusCodeValue();
  }

  @Test
  void anAgentIsDescribedByArmorysNames() {
    agents.add(agent("mine", "here"));
    ResponseEntity<Object> answer = controller.agent("mine");
    assertThat(answer.getStatusCodeValue()).isEqualTo(200);
    assertThat((Map<?, ?>) answer.getBody())
        .hasToString(
            "{agentId=mine, type=kubernetes, clouddriverId=here,"
                + " lastConnection=1970-01-01T00:00:00Z, caching=false, accounts=[a, b]}");
    assertThat(controller.agent("other").getStatusCodeValue()).isEqualTo(404);
  }

  @Test
  void anAgentOfThisClouddriverIsDisconnectedHere() {
    assertThat(disconnect("mine")).isEqualTo(200);
    assertThat(disconnected).containsExactly("mine");
    assertThat(disconnect("nobody")).isEqualTo(404);
  }

  @Test
  void aClouddriverThatDoesNotAnswerIsNamed() {
    agents.add(agent("a", "there"));
    replicas.add(new Replica("there", "http://127.0.0.1:1", Instant.EPOCH, true));
    assertThat(disconnect("a")).isEqualTo(502);
  }

  @Test
  void aDatabaseThatIsDownIsSaid() {
    down = true;
    assertThat(controller.agents().getStatusCodeValue()).isEqualTo(503);
  }

  @Test
  void bodiesOfOperationsAreRefused() {
    assertThat(controller.operations().getStatusCodeValue()).isEqualTo(501);
    assertThat(controller.assign(List.of("nobody")).getStatusCodeValue()).isEqualTo(404);
  }
}
