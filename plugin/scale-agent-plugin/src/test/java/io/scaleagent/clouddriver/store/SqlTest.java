// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.SQLException;
import org.junit.jupiter.api.Test;

class SqlTest {
  @Test
  void aTableThatAnotherMadeAtTheSameMomentIsNoFailure() {
    assertThat(
            Sql.passing(
                new SQLException(
                    "duplicate key value violates unique constraint \"pg_type_typname_nsp_index\"",
                    "23505")))
        .isTrue();
    assertThat(Sql.passing(new SQLException("relation \"x\" already exists", "42P07"))).isTrue();
    assertThat(
            Sql.passing(
                new SQLException(
                    "duplicate key value violates unique constraint \"cats_v1_pod_pkey\"",
                    "23505")))
        .isFalse();
  }
}
