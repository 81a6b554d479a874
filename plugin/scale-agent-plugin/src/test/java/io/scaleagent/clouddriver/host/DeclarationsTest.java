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
import java.util.ArrayList;
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
 * The declarations of clouddriver-api, and all else that the plugin uses of what is around it,
 * against the real classes: those of an installed Clouddriver, which CLOUDDRIVER_HOME names.
 */
class DeclarationsTest {
  /** What the plugin has in its own lib/, as src/main/assembly/plugin.xml names it. */
  private static final List<String> IN_LIB =
      List.of("io/grpc/", "io/perfmark/", "com/google/protobuf/", "com/google/rpc/");

  @Test
  void clouddriverHasWhatIsDeclared() throws IOException, URISyntaxException {
    Set<String> wrong = new TreeSet<>();
    int compared = 0;
    try (URLClassLoader real = real()) {
      for (Map.Entry<String, byte[]> entry : classesOf(Declaration.class).entrySet()) {
        if (entry.getKey().startsWith("com/netflix/")) {
          compare(ClassFiles.shape(entry.getValue()), real, wrong);
          compared++;
        }
      }
    }
    assertThat(wrong).isEmpty();
    assertThat(compared).isGreaterThan(20);
  }

  /**
   * Of kork, cats, Spring, jOOQ and whatever else: a version of Clouddriver brings another of each.
   */
  @Test
  void clouddriverHasWhatThePluginUses() throws IOException, URISyntaxException {
    Set<String> wrong = new TreeSet<>();
    int compared = 0;
    Map<String, byte[]> plugin = classesOf(ScaleAgentPlugin.class);
    try (URLClassLoader real = real()) {
      for (Map.Entry<String, byte[]> entry : plugin.entrySet()) {
        for (String used : ClassFiles.classesNamedBy(entry.getValue())) {
          if (isTheirs(used) && !plugin.containsKey(used)) {
            compared++;
            if (real.getResource(used + ".class") == null) {
              wrong.add("class " + used + ", used by " + entry.getKey());
            }
          }
        }
        for (List<String> used : ClassFiles.membersUsedBy(entry.getValue())) {
          if (isTheirs(used.get(0)) && !has(used.get(0), used.get(1), plugin, real)) {
            wrong.add(String.join(".", used) + ", used by " + entry.getKey());
          }
        }
      }
    }
    assertThat(wrong).isEmpty();
    assertThat(compared).isGreaterThan(200);
  }

  /** Neither of the JDK nor an array nor in the plugin's lib/. */
  private static boolean isTheirs(String name) {
    return !name.startsWith("[")
        && !name.startsWith("java/")
        && !name.startsWith("javax/")
        && IN_LIB.stream().noneMatch(name::startsWith);
  }

  /** In the class itself or above it; what is above it in lib/ is not looked at. */
  private static boolean has(
      String owner, String member, Map<String, byte[]> plugin, ClassLoader real) {
    List<String> ways = new ArrayList<>(List.of(owner));
    for (int i = 0; i < ways.size(); i++) {
      String at = ways.get(i);
      if (IN_LIB.stream().anyMatch(at::startsWith)) {
        return true;
      }
      byte[] ours = plugin.get(at);
      Optional<Shape> shape =
          ours == null ? ClassFiles.shape(real, at) : Optional.of(ClassFiles.shape(ours));
      if (shape.isEmpty()) {
        continue;
      }
      if (shape.get().members.containsKey(member)) {
        return true;
      }
      ways.addAll(shape.get().interfaces);
      Optional.ofNullable(shape.get().superName).ifPresent(ways::add);
    }
    return false;
  }

  private static Map<String, byte[]> classesOf(Class<?> type) throws URISyntaxException {
    Path place = Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
    return ClassFiles.under(
        place.toString().endsWith(".jar") ? place.resolveSibling("classes") : place);
  }

  /** The classes of the Clouddriver that is there, and the JDK's. */
  private static URLClassLoader real() throws IOException {
    String home = System.getenv("CLOUDDRIVER_HOME");
    assumeTrue(home != null, "CLOUDDRIVER_HOME names no Clouddriver to compare with");
    return new URLClassLoader(jars(Path.of(home)), ClassLoader.getPlatformClassLoader());
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
