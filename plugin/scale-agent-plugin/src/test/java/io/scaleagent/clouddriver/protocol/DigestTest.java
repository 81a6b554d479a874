// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigInteger;
import java.util.Random;
import org.junit.jupiter.api.Test;

class DigestTest {
  private static final BigInteger MODULUS = BigInteger.ONE.shiftLeft(128);

  private static BigInteger number(Digest d) {
    byte[] b = d.bytes();
    byte[] big = new byte[17];
    for (int i = 0; i < 16; i++) {
      big[16 - i] = b[i];
    }
    return new BigInteger(big);
  }

  @Test
  void sumsAreThoseOfLittleEndianNumbers() {
    Random random = new Random(1);
    for (int i = 0; i < 10_000; i++) {
      byte[] a = new byte[16];
      byte[] b = new byte[16];
      random.nextBytes(a);
      random.nextBytes(b);
      if (i % 3 == 0) {
        java.util.Arrays.fill(b, 0, 8, (byte) 0xff); // so that it carries
      }
      Digest x = Digest.of(a);
      Digest y = Digest.of(b);
      assertThat(number(x.plus(y))).isEqualTo(number(x).add(number(y)).mod(MODULUS));
      assertThat(number(x.minus(y))).isEqualTo(number(x).subtract(number(y)).mod(MODULUS));
      assertThat(x.plus(y).minus(y)).isEqualTo(x);
    }
  }

  @Test
  void isWrittenAsItsBytes() {
    byte[] b = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, (byte) 0xff};
    assertThat(Digest.of(b).bytes()).isEqualTo(b);
    assertThat(Digest.of(b)).hasToString("000102030405060708090a0b0c0d0eff");
    assertThatThrownBy(() -> Digest.of(new byte[15])).isInstanceOf(IllegalArgumentException.class);
  }
}
