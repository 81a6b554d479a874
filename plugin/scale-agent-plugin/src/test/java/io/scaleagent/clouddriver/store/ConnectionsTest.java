// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConnectionsTest {
  @ParameterizedTest
  @CsvSource({
    "jdbc:mysql://db/cats, jdbc:mysql://db/cats?useLocalSessionState=true",
    "jdbc:mysql://db/cats?useSSL=false, jdbc:mysql://db/cats?useSSL=false&useLocalSessionState=true",
    "jdbc:mysql://db/cats?useLocalSessionState=false, jdbc:mysql://db/cats?useLocalSessionState=false",
    "jdbc:mariadb://db/cats, jdbc:mariadb://db/cats",
    "jdbc:postgresql://db/cats, jdbc:postgresql://db/cats",
  })
  void mysqlsDriverKnowsItsSession(String clouddrivers, String own) {
    assertThat(Connections.knowingItsSession(clouddrivers)).isEqualTo(own);
  }

  @Test
  void aPoolWithoutUrlKeepsNone() {
    assertThat(Connections.knowingItsSession(null)).isNull();
  }
}
