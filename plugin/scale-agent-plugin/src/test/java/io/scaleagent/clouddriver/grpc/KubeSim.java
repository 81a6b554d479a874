// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/** Simulated API servers (tests/rig/kubesim). */
final class KubeSim implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private final HttpClient http = HttpClient.newHttpClient();
  private final String control;
  private final Process process;
  final Path accounts;
  private final int clusters;

  KubeSim(Path directory, int clusters, String... options) {
    this.clusters = clusters;
    int ports = Programs.freePorts(clusters + 1);
    control = "127.0.0.1:" + (ports + clusters);
    accounts = directory.resolve("accounts.d");
    List<String> command = new ArrayList<>();
    command.addAll(
        List.of(
            Programs.kubesim().toString(),
            "-clusters",
            "" + clusters,
            "-port",
            "" + ports,
            "-control",
            control,
            "-write-accounts",
            directory.toString()));
    command.addAll(List.of(options));
    Path log = directory.resolve("kubesim.log");
    process = Programs.start(log, command);
    Programs.await("kubesim listens: " + log, Duration.ofSeconds(30), () -> says(log, "control"));
  }

  private static boolean says(Path log, String text) {
    try {
      return Files.readString(log).contains(text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A control request; see its README. */
  JsonNode post(String path, String... form) {
    StringBuilder body = new StringBuilder();
    for (int i = 0; i < form.length; i += 2) {
      body.append(body.length() == 0 ? "" : "&")
          .append(form[i])
          .append('=')
          .append(URLEncoder.encode(form[i + 1], StandardCharsets.UTF_8));
    }
    try {
      HttpRequest request =
          HttpRequest.newBuilder(URI.create("http://" + control + path))
              .header("Content-Type", "application/x-www-form-urlencoded")
              .POST(HttpRequest.BodyPublishers.ofString(body.toString()))
              .build();
      return JSON.readTree(http.send(request, HttpResponse.BodyHandlers.ofByteArray()).body());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  List<String> names() {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < clusters; i++) {
      names.add(String.format("sim-%04d", i));
    }
    return names;
  }

  /** {account: {"KIND NAMESPACE/NAME": resourceVersion}} of what exists. */
  Map<String, Map<String, String>> state() {
    Map<String, Map<String, String>> state = new TreeMap<>();
    post("/state", "cluster", "all")
        .fields()
        .forEachRemaining(
            c -> {
              Map<String, String> objects = new TreeMap<>();
              for (JsonNode o : c.getValue().get("objects")) {
                objects.put(
                    o.get("kind").asText()
                        + " "
                        + o.path("namespace").asText()
                        + "/"
                        + o.get("name").asText(),
                    o.get("version").asText());
              }
              state.put(String.format("sim-%04d", Integer.parseInt(c.getKey())), objects);
            });
    return state;
  }

  @Override
  public void close() {
    process.destroy();
    try {
      if (!process.waitFor(5, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
