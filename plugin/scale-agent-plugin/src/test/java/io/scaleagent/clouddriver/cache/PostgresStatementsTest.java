// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import io.scaleagent.clouddriver.store.TestDatabase;

/** As they are given to the driver, with one commit: the server does not count them. */
class PostgresStatementsTest extends StatementsContract {
  @Override
  TestDatabase server() {
    return TestDatabase.postgres();
  }

  @Override
  CatsNames names() {
    return CatsNames.postgres(null);
  }

  @Override
  long statements(TestDatabase.Schema schema) {
    return schema.executed();
  }

  @Override
  int asking() {
    return -1;
  }
}
