// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.invoke.MethodHandles;
import org.junit.jupiter.api.Test;

class MethodAboveTest {
  static class Above {
    public String join(String first, String... others) {
      return first + String.join("", others);
    }

    public String fail(String why) {
      throw new UnsupportedOperationException(why);
    }
  }

  static class Below extends Above {
    private static final MethodHandles.Lookup HERE = MethodHandles.lookup();

    @Override
    public String join(String first, String... others) {
      return "below "
          + new MethodAbove<>(HERE, "join", String.class, String.class, String[].class)
              .call(this, first, others);
    }

    @Override
    public String fail(String why) {
      return new MethodAbove<>(HERE, "fail", String.class, String.class).call(this, why);
    }

    public String missing() {
      return new MethodAbove<>(HERE, "missing", String.class, int.class).call(this, 1);
    }
  }

  @Test
  void theMethodOfTheClassAboveIsCalledAndNoOther() {
    assertThat(new Below().join("a", "b", "c")).isEqualTo("below abc");
    assertThat(new Below().join("a")).isEqualTo("below a");
  }

  @Test
  void whatItThrowsComesAsItIs() {
    assertThatThrownBy(() -> new Below().fail("on purpose"))
        .isInstanceOf(UnsupportedOperationException.class)
        .hasMessage("on purpose");
  }

  @Test
  void whatTheClassAboveDoesNotHaveIsSaid() {
    assertThatThrownBy(() -> new Below().missing())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("Above has no missing(int)String");
  }
}
