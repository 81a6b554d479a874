// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/** The agent itself, scale-agentd, with a configuration of its own. */
final class RealAgent implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private final Path directory;
  private final Path accounts;
  final Path log;
  private Process process;

  /**
   * @param clouddriver further settings below clouddriver, as JSON
   */
  RealAgent(Path directory, String id, int port, Path accounts, String clouddriver) {
    this.directory = directory;
    this.accounts = accounts;
    log = directory.resolve("agent.log");
    try {
      ObjectNode settings =
          (ObjectNode)
              JSON.readTree(
                  "{'sink':'grpc','server':{'port':0},'logging':{'level':'info','format':'json'},"
                          .replace('\'', '"')
                      + "'restart':{'baseMs':100,'maxMs':2000,'intensity':100000}}"
                          .replace('\'', '"'));
      settings.put("agentId", id);
      if (isRoot()) {
        settings.put("user", "nobody");
      }
      ObjectNode server = (ObjectNode) JSON.readTree(clouddriver);
      server.put("grpc", "localhost:" + port);
      server.put("noProxy", true);
      server.putObject("backoff").put("baseDelay", 100_000_000L).put("maxDelay", 500_000_000L);
      settings.set("clouddriver", server);
      Files.writeString(directory.resolve("scale-agent.yml"), settings.toString());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean isRoot() {
    return System.getProperty("user.name").equals("root");
  }

  RealAgent start() {
    for (String d : List.of("run", "state")) {
      Path path = Programs.directory(directory, d);
      if (isRoot()) {
        Programs.run(directory, "chown", "nobody", path.toString());
      }
    }
    process =
        Programs.start(
            log,
            List.of(
                Programs.built("scale-agentd").toString(),
                "--config",
                directory.resolve("scale-agent.yml").toString(),
                "--accounts",
                accounts.toString(),
                "--runtime-dir",
                directory.resolve("run").toString(),
                "--state-dir",
                directory.resolve("state").toString()));
    return this;
  }

  /** {account: state}; empty while it does not answer. */
  Map<String, String> states() {
    try {
      Process p =
          new ProcessBuilder(
                  Programs.built("ctl/scale-agentctl").toString(),
                  "-s",
                  directory.resolve("run/control.sock").toString(),
                  "status",
                  "-o",
                  "json")
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      byte[] out = p.getInputStream().readAllBytes();
      p.waitFor(10, TimeUnit.SECONDS);
      Map<String, String> states = new TreeMap<>();
      if (out.length > 0) {
        for (JsonNode a : JSON.readTree(out).path("accounts")) {
          states.put(a.get("name").asText(), a.get("state").asText());
        }
      }
      return states;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Until all accounts are in this state. */
  void await(String state, int accounts) {
    try {
      Programs.await(
          state,
          Duration.ofSeconds(40),
          () -> {
            Map<String, String> now = states();
            return now.size() == accounts && now.values().stream().allMatch(state::equals);
          });
    } catch (AssertionError e) {
      throw new AssertionError(e.getMessage() + ": " + states() + "\n" + Programs.tail(log));
    }
  }

  String said() {
    try {
      return Files.readString(log);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Until its log has that text. */
  void awaitSaid(String text) {
    try {
      Programs.await("\"" + text + "\"", Duration.ofSeconds(10), () -> said().contains(text));
    } catch (AssertionError e) {
      throw new AssertionError(e.getMessage() + "\n" + Programs.tail(log));
    }
  }

  /** To the supervisor and all of its children. */
  void signalAll(String name) {
    List<String> command = new ArrayList<>(List.of("kill", "-" + name, "" + process.pid()));
    process.descendants().forEach(p -> command.add("" + p.pid()));
    Programs.run(directory, command.toArray(new String[0]));
  }

  /** Orderly. */
  void stop() {
    process.destroy();
    end(10);
  }

  void kill() {
    process.destroyForcibly();
    end(10);
  }

  private void end(int seconds) {
    try {
      if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
        throw new AssertionError("the agent did not end within " + seconds + " s");
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    if (process != null && process.isAlive()) {
      process.destroy();
      end(15);
    }
  }
}
