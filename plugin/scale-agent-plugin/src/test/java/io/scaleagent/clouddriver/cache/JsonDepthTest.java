// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class JsonDepthTest {
  private static String nested(String open, String close, int depth) {
    return open.repeat(depth) + close.repeat(depth);
  }

  @Test
  void levelsAreCounted() {
    assertThat(JsonDepth.isBounded("")).isTrue();
    assertThat(JsonDepth.isBounded("7")).isTrue();
    for (String[] pair : new String[][] {{"[", "]"}, {"{\"a\":", "}"}}) {
      assertThat(JsonDepth.isBounded(nested(pair[0], pair[1], JsonDepth.MOST))).isTrue();
      assertThat(JsonDepth.isBounded(nested(pair[0], pair[1], JsonDepth.MOST + 1))).isFalse();
    }
  }

  @Test
  void whatIsSideBySideIsNotDeep() {
    assertThat(JsonDepth.isBounded("[" + "{},".repeat(10_000) + "[]]")).isTrue();
  }

  @Test
  void bracketsInTextsDoNotCount() {
    assertThat(JsonDepth.isBounded("\"" + "[{".repeat(1000) + "\"")).isTrue();
    assertThat(JsonDepth.isBounded("\"" + "\\\"[".repeat(1000) + "\"")).isTrue();
    assertThat(JsonDepth.isBounded("\"\\\\\"" + "[".repeat(1000))).isFalse();
  }

  @Test
  void whatIsNoJsonIsReadToItsEnd() {
    assertThat(JsonDepth.isBounded("]]]]}}\"\\")).isTrue();
    // Closing what was not open does not make room for more.
    assertThat(JsonDepth.isBounded("]".repeat(1000) + "[".repeat(1000))).isFalse();
  }
}
