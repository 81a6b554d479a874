// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.rest;

import io.scaleagent.clouddriver.accounts.AccountCatalog;
import io.scaleagent.clouddriver.accounts.Replica;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** Passes requests on to the Clouddriver that can answer them. */
public final class Peers {
  /** Header of a request that was passed on, with the id of who did: it is not passed on again. */
  static final String FORWARDED = "X-Scale-Agent-Forwarded-By";

  private static final Duration TIMEOUT = Duration.ofSeconds(10);

  private final AccountCatalog catalog;
  private final HttpClient client =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(Duration.ofSeconds(3))
          .build();

  public Peers(AccountCatalog catalog) {
    this.catalog = catalog;
  }

  /** A text as one segment of a path. */
  static String segment(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }

  /**
   * @param path encoded
   */
  void post(String clouddriverId, String path) {
    Replica to =
        catalog.clouddrivers().stream()
            .filter(r -> r.id().equals(clouddriverId))
            .findFirst()
            .orElseThrow(() -> new Problem(502, "Clouddriver " + clouddriverId + " has gone"));
    if (to.baseUrl().isEmpty()) {
      throw new Problem(502, "Clouddriver " + to.id() + " does not say where it is reached");
    }
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(to.baseUrl() + path))
            .timeout(TIMEOUT)
            .header(FORWARDED, catalog.clouddriverId())
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString("{}"))
            .build();
    try {
      HttpResponse<String> response =
          client.send(request, HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
      if (response.statusCode() >= 300) {
        throw new Problem(
            response.statusCode(), "Clouddriver " + to.id() + " answers: " + response.body());
      }
    } catch (IOException e) {
      throw new Problem(
          502, "Clouddriver " + to.id() + " at " + to.baseUrl() + " does not answer: " + e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Problem(503, "interrupted");
    }
  }
}
