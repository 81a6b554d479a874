// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.scaleagent.clouddriver.store.TestDatabase;
import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The plugin's rows against those of a real Clouddriver's own caching agents, read through its own
 * ProviderCache: src/test/oracle/StockOracle.java, in a JVM with the jars of the Clouddriver that
 * CLOUDDRIVER_HOME names.
 */
@Timeout(180)
class StockOracleTest {
  @TempDir Path directory;

  @Test
  void onMariaDb() throws Exception {
    compare(home(), TestDatabase.mariadb());
  }

  @Test
  void onPostgres() throws Exception {
    compare(home(), TestDatabase.postgres());
  }

  private static Path home() {
    String home = System.getenv("CLOUDDRIVER_HOME");
    assumeTrue(home != null, "CLOUDDRIVER_HOME names no Clouddriver to compare with");
    return Path.of(home);
  }

  private void compare(Path home, TestDatabase server) throws Exception {
    String jars = jars(home.resolve("lib"));
    String plugin = place(CatsRowWriter.class) + File.pathSeparator + place(Cluster.class);
    Path source = Path.of("src", "test", "oracle", "StockOracle.java");
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    assertThat(
            compiler.run(
                null,
                null,
                null,
                "-proc:none",
                "-d",
                directory.toString(),
                "-cp",
                jars + File.pathSeparator + plugin,
                source.toString()))
        .isZero();
    try (TestDatabase.Schema schema = server.schema().withStore().withCats()) {
      Path output = directory.resolve("output");
      int status = run(schema.url(), directory + ":" + plugin + ":" + jars, output);
      assertThat(status).as(Files.readString(output)).isZero();
      assertThat(Files.readString(output)).contains("differences=0");
    }
  }

  private static String jars(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .map(Path::toString)
          .filter(f -> f.endsWith(".jar"))
          .sorted()
          .collect(Collectors.joining(File.pathSeparator));
    }
  }

  private static int run(String url, String classPath, Path output)
      throws IOException, InterruptedException {
    Process oracle =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-cp",
                classPath,
                "io.scaleagent.clouddriver.cache.StockOracle",
                url)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    try {
      return oracle.waitFor(170, TimeUnit.SECONDS) ? oracle.exitValue() : -1;
    } finally {
      oracle.destroyForcibly();
    }
  }

  private static Path place(Class<?> type) throws URISyntaxException {
    return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
  }
}
