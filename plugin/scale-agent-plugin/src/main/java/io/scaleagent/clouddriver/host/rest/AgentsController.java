// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.rest;

import io.scaleagent.clouddriver.accounts.AccountCatalog;
import io.scaleagent.clouddriver.accounts.ConnectedAgent;
import io.scaleagent.clouddriver.peers.CarrierException;
import io.scaleagent.clouddriver.peers.PeerOperations;
import io.scaleagent.clouddriver.protocol.AgentDirectory;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;

/** The agents that are connected to any of the Clouddrivers. */
@RestController
public class AgentsController {
  private static final Logger log = LoggerFactory.getLogger(AgentsController.class);

  /** How long an agent that is disconnected by REST stays away. */
  private static final long RETRY_AFTER_MILLIS = 5_000;

  private final AccountCatalog catalog;
  private final AgentDirectory directory;
  private final PeerOperations peers;

  public AgentsController(AccountCatalog catalog, AgentDirectory directory, PeerOperations peers) {
    this.catalog = catalog;
    this.directory = directory;
    this.peers = peers;
  }

  @GetMapping("/armory/agents")
  public ResponseEntity<Object> agents() {
    return Answer.of(
        () -> catalog.agents().stream().map(AgentsController::json).collect(Collectors.toList()));
  }

  @GetMapping("/armory/agents/{agentId}")
  public ResponseEntity<Object> agent(@PathVariable("agentId") String agentId) {
    return Answer.of(() -> json(connected(agentId)));
  }

  /**
   * Ends the agent's stream. It connects again after a while, perhaps to another Clouddriver.
   *
   * @param request clusterDriven, origin, timestamp: taken and not needed
   */
  @PostMapping("/armory/agent/{agentId}/disconnect")
  public ResponseEntity<Object> disconnect(
      @PathVariable("agentId") String agentId,
      @RequestBody(required = false) Map<String, Object> request) {
    return Answer.of(() -> disconnect(agentId));
  }

  private Object disconnect(String agentId) {
    if (directory.disconnect(agentId, "disconnected by REST", RETRY_AFTER_MILLIS)) {
      log.info("Agent {} is disconnected, as was asked for by REST", agentId);
      return null;
    }
    ConnectedAgent agent = connected(agentId);
    if (agent.clouddriverId().equals(catalog.clouddriverId())) {
      throw Problem.notFound("agent " + agentId + " has just gone from this Clouddriver");
    }
    try {
      peers.disconnect(agent);
    } catch (CarrierException e) {
      throw new Problem(502, e.getMessage());
    }
    return null;
  }

  /**
   * Has the accounts compared anew by whichever agent keeps them; those that nobody keeps go to the
   * next agent that has them, as always.
   */
  @PostMapping("/armory/agent/assignments")
  public ResponseEntity<Object> assign(@RequestBody List<String> accounts) {
    return Answer.of(() -> reopen(accounts));
  }

  private Object reopen(List<String> accounts) {
    for (String account : accounts) {
      if (catalog.account(account).isEmpty()) {
        throw Problem.notFound("no agent brings account " + account);
      }
    }
    for (String account : accounts) {
      directory.reopen(account, "assigned by REST");
    }
    return null;
  }

  /** Their bodies are a private message of another program, which nobody else can make or read. */
  @PostMapping({"/armory/agent/operations", "/armory/agent/operationresults"})
  public ResponseEntity<Object> operations() {
    return Answer.of(
        () -> {
          throw new Problem(
              501,
              "operations and their results can't be given by REST: the body would be a private"
                  + " message of Armory's plugin, which is not published");
        });
  }

  private ConnectedAgent connected(String agentId) {
    return catalog.agents().stream()
        .filter(a -> a.agentId().equals(agentId))
        .findFirst()
        .orElseThrow(() -> Problem.notFound("agent " + agentId + " is not connected"));
  }

  private static Map<String, Object> json(ConnectedAgent agent) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("agentId", agent.agentId());
    json.put("type", "kubernetes");
    json.put("clouddriverId", agent.clouddriverId());
    json.put("lastConnection", agent.connected().toString());
    json.put("caching", !agent.caching().isEmpty());
    json.put("accounts", new TreeSet<>(agent.accounts()));
    return json;
  }
}
