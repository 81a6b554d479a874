// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Assumptions;

/** Programs of the project that tests run, and waiting for them. */
final class Programs {
  private Programs() {}

  /**
   * A program of the build directory, SCALE_AGENT_BUILD or build/; skips the test with a reason if
   * it is not there.
   */
  static Path built(String name) {
    String build = System.getenv("SCALE_AGENT_BUILD");
    return there(
        Path.of(build == null ? "../../build" : build).resolve(name), "scripts/test builds it");
  }

  /** The simulated API servers, SCALE_AGENT_KUBESIM or where scripts/test leaves them. */
  static Path kubesim() {
    String path = System.getenv("SCALE_AGENT_KUBESIM");
    Path cache = Path.of(System.getProperty("user.home"), ".cache/scale-agent/bin/kubesim");
    return there(path == null ? cache : Path.of(path), "scripts/test builds it by Go");
  }

  private static Path there(Path program, String how) {
    Assumptions.assumeTrue(Files.isExecutable(program), () -> program + " is not there; " + how);
    return program.toAbsolutePath().normalize();
  }

  /** Runs a program to its end; what it wrote. */
  static String run(Path directory, String... command) {
    try {
      Process p =
          new ProcessBuilder(command)
              .directory(directory.toFile())
              .redirectErrorStream(true)
              .start();
      String said = new String(p.getInputStream().readAllBytes());
      if (!p.waitFor(30, TimeUnit.SECONDS) || p.exitValue() != 0) {
        throw new IllegalStateException(String.join(" ", command) + ": " + said);
      }
      return said;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  static Process start(Path log, List<String> command) {
    try {
      return new ProcessBuilder(command)
          .redirectErrorStream(true)
          .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
          .start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Ports that were free a moment ago, one after the other. */
  static int freePorts(int count) {
    for (int attempt = 0; attempt < 100; attempt++) {
      int first = 20_000 + (int) (Math.random() * 10_000);
      boolean free = true;
      for (int i = 0; free && i < count; i++) {
        try (ServerSocket s = new ServerSocket(first + i)) {
          free = s.isBound();
        } catch (IOException e) {
          free = false;
        }
      }
      if (free) {
        return first;
      }
    }
    throw new IllegalStateException("no " + count + " free ports");
  }

  /** A directory that other users may pass through: the agent's processes are some. */
  static Path directory(Path parent, String name) {
    try {
      Path d = Files.createDirectories(parent.resolve(name));
      Files.setPosixFilePermissions(d, PosixFilePermissions.fromString("rwxr-xr-x"));
      return d;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void await(String what, Duration time, BooleanSupplier condition) {
    long end = System.nanoTime() + time.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - end > 0) {
        throw new AssertionError("not within " + time + ": " + what);
      }
      pause(50);
    }
  }

  static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The last lines of a log, for errors. */
  static String tail(Path log) {
    try {
      List<String> lines = Files.readAllLines(log);
      return lines.stream().skip(Math.max(0, lines.size() - 20)).collect(Collectors.joining("\n"));
    } catch (IOException e) {
      return "(no log: " + e.getMessage() + ")";
    }
  }
}
