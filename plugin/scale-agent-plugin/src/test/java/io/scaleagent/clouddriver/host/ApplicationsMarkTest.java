// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ApplicationsMarkTest {
  private final ApplicationsMark mark = new ApplicationsMark();

  private static Set<String> applications(int count) {
    return IntStream.range(0, count).mapToObj(i -> "application-" + i).collect(Collectors.toSet());
  }

  @Test
  void theSameApplicationsHaveTheSameMark() {
    String of = mark.of(applications(10));
    assertThat(mark.of(new HashSet<>(applications(10)))).isEqualTo(of);
    assertThat(mark.of(applications(11))).isNotEqualTo(of);
    assertThat(mark.of(Set.of("ab", "c"))).isNotEqualTo(mark.of(Set.of("a", "bc")));
    assertThat(mark.of(applications(10))).isEqualTo(of);
  }

  /**
   * Sorting and hashing them takes a millisecond, and a thousand accounts ask every ten seconds.
   */
  @Test
  void thousandsOfApplicationsCostNothingWhileTheyAreTheSame() {
    Set<String> applications = applications(2000);
    mark.of(applications);
    long began = System.nanoTime();
    for (int i = 0; i < 100_000; i++) {
      mark.of(applications);
    }
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(1));
  }
}
