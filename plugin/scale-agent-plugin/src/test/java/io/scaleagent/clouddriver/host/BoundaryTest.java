// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import static org.assertj.core.api.Assertions.assertThat;

import io.scaleagent.clouddriver.host.ClassFiles.Shape;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** What the plugin's classes may know of the world outside: only what is declared. */
class BoundaryTest {
  /** Modules of Clouddriver that stay out of the class path, unless somebody has the real ones. */
  private static final List<String> NOT_ON_THE_REGISTRY =
      List.of("clouddriver-kubernetes", "clouddriver-sql", "clouddriver-web", "cats-sql");

  /**
   * Annotations and servlets moved from javax to jakarta with Spring Boot 3: neither may be used.
   */
  private static final List<String> MOVED =
      List.of(
          "javax/annotation/", "javax/inject/", "javax/servlet/", "javax/validation/", "jakarta/");

  private final Map<String, byte[]> plugin = ClassFiles.under(classesOf(ScaleAgentPlugin.class));
  private final Map<String, byte[]> declared =
      ClassFiles.under(classesOf(io.scaleagent.clouddriver.api.Declaration.class));

  /** Where the reactor compiles to; also with a jar in its place, as in a build of one module. */
  private static Path classesOf(Class<?> type) {
    try {
      Path place = Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
      return place.toString().endsWith(".jar")
          ? place.resolveSibling("classes").toAbsolutePath()
          : place;
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void everyClassOfClouddriverIsDeclaredOrOnTheRegistry() {
    Set<String> unknown = new TreeSet<>();
    plugin.forEach(
        (name, file) -> {
          for (String used : ClassFiles.classesNamedBy(file)) {
            if (used.startsWith("com/netflix/") && !known(used)) {
              unknown.add(used + ", used by " + name);
            }
          }
        });
    assertThat(unknown).isEmpty();
  }

  @Test
  void everyMemberOfADeclaredClassIsDeclared() {
    Set<String> unknown = new TreeSet<>();
    plugin.forEach(
        (name, file) -> {
          for (List<String> used : ClassFiles.membersUsedBy(file)) {
            if (declared.containsKey(used.get(0)) && !has(used.get(0), used.get(1))) {
              unknown.add(String.join(".", used) + ", used by " + name);
            }
          }
        });
    assertThat(unknown).isEmpty();
  }

  @Test
  void nothingThatMovedToJakartaIsUsed() {
    Set<String> moved = new TreeSet<>();
    plugin.forEach(
        (name, file) -> {
          for (String used : ClassFiles.classesNamedBy(file)) {
            if (MOVED.stream().anyMatch(used::startsWith)) {
              moved.add(used + ", used by " + name);
            }
          }
        });
    assertThat(moved).isEmpty();
  }

  /** The tests above would pass over nothing, too. */
  @Test
  void somethingIsLookedAt() {
    assertThat(declared)
        .containsKey("com/netflix/spinnaker/clouddriver/kubernetes/op/job/KubectlJobExecutor");
    assertThat(
            ClassFiles.classesNamedBy(
                plugin.get("io/scaleagent/clouddriver/host/AgentKubectlJobExecutor")))
        .contains("com/netflix/spinnaker/clouddriver/kubernetes/op/job/KubectlJobExecutor");
    assertThat(
            has(
                "com/netflix/spinnaker/clouddriver/kubernetes/op/job/KubectlJobExecutor",
                "exec()V"))
        .isFalse();
    assertThat(known("com/netflix/spinnaker/clouddriver/kubernetes/NoSuchClass")).isFalse();
  }

  private boolean known(String name) {
    if (declared.containsKey(name)) {
      return true;
    }
    URL place = getClass().getClassLoader().getResource(name + ".class");
    return place != null
        && NOT_ON_THE_REGISTRY.stream().noneMatch(m -> place.toString().contains("/" + m + "-"));
  }

  /** In the class itself or above it. */
  private boolean has(String owner, String member) {
    List<String> ways = new ArrayList<>(List.of(owner));
    for (int i = 0; i < ways.size(); i++) {
      String at = ways.get(i);
      byte[] file = declared.get(at);
      Shape shape =
          file != null
              ? ClassFiles.shape(file)
              : ClassFiles.shape(getClass().getClassLoader(), at).orElse(null);
      if (shape == null) {
        continue;
      }
      if (shape.members.containsKey(member)) {
        return true;
      }
      if (shape.superName != null) {
        ways.add(shape.superName);
      }
      ways.addAll(shape.interfaces);
    }
    return false;
  }
}
