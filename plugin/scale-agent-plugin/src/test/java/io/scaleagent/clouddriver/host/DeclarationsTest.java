// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.scaleagent.clouddriver.api.Declaration;
import io.scaleagent.clouddriver.host.ClassFiles.Shape;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.objectweb.asm.Opcodes;

/**
 * The declarations of clouddriver-api against the real classes: those of an installed Clouddriver,
 * which CLOUDDRIVER_HOME names.
 */
class DeclarationsTest {

  @Test
  void clouddriverHasWhatIsDeclared() throws IOException, URISyntaxException {
    String home = System.getenv("CLOUDDRIVER_HOME");
    assumeTrue(home != null, "CLOUDDRIVER_HOME names no Clouddriver to compare with");
    Path place =
        Path.of(Declaration.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    if (place.toString().endsWith(".jar")) {
      place = place.resolveSibling("classes");
    }
    Set<String> wrong = new TreeSet<>();
    int compared = 0;
    try (URLClassLoader real = new URLClassLoader(jars(Path.of(home)), null)) {
      for (Map.Entry<String, byte[]> entry : ClassFiles.under(place).entrySet()) {
        if (entry.getKey().startsWith("com/netflix/")) {
          compare(ClassFiles.shape(entry.getValue()), real, wrong);
          compared++;
        }
      }
    }
    assertThat(wrong).isEmpty();
    assertThat(compared).isGreaterThan(20);
  }

  private static URL[] jars(Path home) throws IOException {
    try (Stream<Path> files = Files.list(home.resolve("lib"))) {
      List<URL> urls =
          files
              .filter(f -> f.toString().endsWith(".jar"))
              .map(DeclarationsTest::url)
              .collect(Collectors.toList());
      return urls.toArray(new URL[0]);
    }
  }

  private static URL url(Path file) {
    try {
      return file.toUri().toURL();
    } catch (MalformedURLException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void compare(Shape declared, ClassLoader real, Set<String> wrong) {
    Optional<Shape> found = ClassFiles.shape(real, declared.name);
    if (found.isEmpty()) {
      wrong.add("class " + declared.name);
      return;
    }
    declared.members.forEach(
        (member, access) -> {
          boolean visible = (access & (Opcodes.ACC_PUBLIC | Opcodes.ACC_PROTECTED)) != 0;
          boolean made = (access & (Opcodes.ACC_SYNTHETIC | Opcodes.ACC_BRIDGE)) != 0;
          if (visible && !made && !has(declared, member, access, real)) {
            wrong.add(declared.name + "." + member);
          }
        });
  }

  private static boolean has(Shape declared, String member, int access, ClassLoader real) {
    for (String at = declared.name; at != null; ) {
      Shape shape = ClassFiles.shape(real, at).orElse(null);
      if (shape == null) {
        return false;
      }
      Integer theirs = shape.members.get(member);
      if (theirs != null) {
        int kept = Opcodes.ACC_STATIC;
        boolean reachable = (theirs & (Opcodes.ACC_PUBLIC | Opcodes.ACC_PROTECTED)) != 0;
        return (theirs & kept) == (access & kept) && reachable;
      }
      at = shape.superName;
    }
    return false;
  }
}
