// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.rest;

import io.scaleagent.clouddriver.accounts.AccountCatalog;
import io.scaleagent.clouddriver.accounts.Replica;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

/** The Clouddrivers that use one database. */
@RestController
public class ClouddriversController {
  private final AccountCatalog catalog;

  public ClouddriversController(AccountCatalog catalog) {
    this.catalog = catalog;
  }

  @GetMapping("/armory/clouddrivers")
  public ResponseEntity<Object> clouddrivers() {
    return Answer.of(
        () ->
            catalog.clouddrivers().stream()
                .map(ClouddriversController::json)
                .collect(Collectors.toList()));
  }

  @GetMapping("/armory/clouddrivers/{clouddriverId}")
  public ResponseEntity<Object> clouddriver(@PathVariable("clouddriverId") String id) {
    return Answer.of(
        () ->
            catalog.clouddrivers().stream()
                .filter(r -> r.id().equals(id))
                .findFirst()
                .map(ClouddriversController::json)
                .orElseThrow(() -> Problem.notFound("there is no Clouddriver " + id)));
  }

  private static Map<String, Object> json(Replica replica) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("id", replica.id());
    json.put("baseUrl", replica.baseUrl());
    json.put("lastUpdated", replica.seen().toString());
    json.put("ready", replica.alive());
    return json;
  }
}
