// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import io.scaleagent.clouddriver.store.TestDatabase;

/** As the server counts them, with what drivers and pools add. */
class MySqlStatementsTest extends StatementsContract {
  @Override
  TestDatabase server() {
    return TestDatabase.mysql();
  }

  @Override
  CatsNames names() {
    return CatsNames.mysql(null);
  }

  @Override
  long statements(TestDatabase.Schema schema) {
    return schema.counter().fetchOne("show global status like 'Questions'").get(1, Long.class);
  }

  @Override
  int asking() {
    return 1;
  }
}
